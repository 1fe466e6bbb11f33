// A foreign ONVIF client: npm's onvif (agsh/onvif), which is what many a Node.js program on cameras is made of.
//
// Arguments: address of the device service, user name, password, and how to be let in: "token", after the device
// was found by WS-Discovery on the loopback interface, or "digest". Prints one JSON object.
'use strict';
const dgram = require('dgram');
const { Cam, Discovery } = require('onvif');

const [address, username, password, way] = process.argv.slice(2);
const device = new URL(address);

// ask calls a method of the camera and waits for its answer.
const ask = (cam, method, ...args) => new Promise((resolve, reject) => {
  cam[method](...args, (err, answer) => (err ? reject(new Error(`${method}: ${err.message || err}`)) : resolve(answer)));
});

// discover probes until our device answers; others on this machine may, too.
async function discover() {
  const create = dgram.createSocket;
  dgram.createSocket = (...args) => {
    const socket = create(...args);
    socket.on('listening', () => socket.setMulticastInterface('127.0.0.1'));
    return socket;
  };
  Discovery.on('error', (err) => process.stderr.write(`discovery: ${err}\n`));
  for (let tries = 0; tries < 30; tries++) {
    const found = await new Promise((resolve) => {
      const listen = (cam) => String(cam.port) === device.port && resolve(cam);
      Discovery.on('device', listen);
      Discovery.probe({ device: 'lo', timeout: 2000 }, () => {
        Discovery.removeListener('device', listen);
        resolve(null);
      });
    });
    if (found) {
      return found;
    }
  }
  throw new Error('nobody answers our probes');
}

// until asks again and again, and gives up long after anything should have happened.
async function until(what, question, enough) {
  for (let tries = 0; tries < 600; tries++) {
    const answer = await question();
    if (enough(answer)) {
      return answer;
    }
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new Error(`${what} never came`);
}

const near = (position, x, y, zoom) =>
  Math.hypot(position.x - x, position.y - y, position.zoom - zoom) < 0.001;

async function move(cam, got) {
  const status = () => ask(cam, 'getStatus');
  await ask(cam, 'absoluteMove', { x: 0.5, y: 0.25, zoom: 0.5 });
  got.there = near((await status()).position, 0.5, 0.25, 0.5);
  await ask(cam, 'setPreset', { presetName: 'gate' });
  const preset = (await ask(cam, 'getPresets')).gate.$.token;

  await ask(cam, 'continuousMove', { x: -0.5, y: 0, zoom: 0 });
  const moving = await until('movement', status, (s) => s.position.x < 0.45);
  got.moving = moving.moveStatus.panTilt;
  await ask(cam, 'stop', { panTilt: true, zoom: true });
  const stopped = await status();
  got.stopped = [stopped.moveStatus.panTilt, stopped.position.y, stopped.position.x === (await status()).position.x];

  await ask(cam, 'gotoPreset', { preset: preset });
  got.back = near((await status()).position, 0.5, 0.25, 0.5);
  await ask(cam, 'removePreset', { presetToken: preset });
  await ask(cam, 'relativeMove', { x: 0.25, y: -0.25, zoom: 0 });
  got.beside = near((await status()).position, 0.75, 0, 0.5);
  await ask(cam, 'gotoHomePosition', {});
}

// leave lets the client end its subscription by itself, as two requests at once to one address disturb each other.
function leave(cam) {
  return new Promise((resolve, reject) => {
    const unsubscribe = cam.unsubscribe.bind(cam);
    cam.unsubscribe = () => unsubscribe((err) => (err ? reject(new Error(`unsubscribe: ${err.message}`)) : resolve()));
    cam.removeAllListeners('event');
  });
}

async function main() {
  const options = { hostname: device.hostname, port: device.port, path: device.pathname, autoconnect: false };
  const cam = way === 'token' ? await discover() : new Cam({ ...options, useWSSecurity: false });
  Object.assign(cam, { username, password, timeout: 30000 });
  await ask(cam, 'connect');

  const got = { profiles: cam.profiles.map((p) => p.$.token) };
  got.source = [cam.activeSource.sourceToken, cam.activeSource.width, cam.activeSource.encoding];
  got.model = (await ask(cam, 'getDeviceInformation')).model;
  got.capabilities = Object.keys(await ask(cam, 'getCapabilities')).sort();
  got.scopes = (await ask(cam, 'getScopes')).length;
  got.stream = (await ask(cam, 'getStreamUri', { protocol: 'RTSP', profileToken: 'sub' })).uri;
  got.snapshot = (await ask(cam, 'getSnapshotUri')).uri.endsWith('/snapshot.jpg');
  await ask(cam, 'setSynchronizationPoint', {});

  got.nodes = Object.keys(await ask(cam, 'getNodes'));
  got.configurations = Object.keys(await ask(cam, 'getConfigurations'));
  await move(cam, got);

  await ask(cam, 'imagingMove', { continuous: { speed: 0.5 } });
  await ask(cam, 'imagingStop', {});
  got.focus = (await ask(cam, 'imagingGetMoveOptions')).continuous.speed.max;
  await ask(cam, 'setImagingSettings', { exposure: { mode: 'MANUAL', iris: 3 } });
  got.iris = (await ask(cam, 'getImagingSettings')).exposure.iris;
  got.irisMax = (await ask(cam, 'getVideoSourceOptions')).exposure.iris.max;

  const recording = await ask(cam, 'getRecordings');
  got.recording = [recording.recordingToken, recording.configuration.source.name, recording.tracks.track.trackToken];
  got.recordings = (await ask(cam, 'getRecordingSummary')).numberRecordings;
  const job = await ask(cam, 'getRecordingJobs');
  got.job = [job.jobToken, (await ask(cam, 'getRecordingJobState', { JobToken: job.jobToken })).state];
  got.replay = await ask(cam, 'getReplayUri', { recordingToken: recording.recordingToken });

  // The device has told what was so before as soon as we listen; it raises another event then.
  got.events = await new Promise((resolve, reject) => {
    const events = [];
    cam.on('eventsError', (err) => reject(new Error(`events: ${err.message || err}`)));
    cam.on('event', ({ topic, message: { message } }) => {
      events.push([topic._, message.$.PropertyOperation, message.data.simpleItem.$.Value]);
      if (events.length === 2) {
        resolve(events);
      }
    });
  });
  await leave(cam);
  console.log(JSON.stringify(got));
}

main().then(() => process.exit(0), (err) => {
  process.stderr.write(`${err.stack}\n`);
  process.exit(1);
});
