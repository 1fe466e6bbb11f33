#!/usr/bin/env bash
# Makes the clips again that package simcam embeds: raw Annex B video and raw audio, 8 s each,
# a length that 25 fps, 8 kHz and AAC frames of 1024 samples at 16 kHz all divide, so that
# picture and sound loop together. Needs ffmpeg with libx264 and libx265, and DejaVu Sans Mono.
set -euo pipefail
cd "$(dirname "$0")"

seconds=8
font=${FONT:-/usr/share/fonts/truetype/dejavu/DejaVuSansMono.ttf}
run() { ffmpeg -nostdin -hide_banner -loglevel error -y "$@"; }

# A still card, a small moving picture, and a clock with the frame number: few bits, and every
# frame is different, so a frozen, torn or reordered picture is seen at once.
picture() { # $1 size, $2 title
  local h=${1#*x}
  printf '%s' "smptehdbars=size=$1:rate=25:duration=$seconds[card];" \
    "testsrc2=size=160x120:rate=25:duration=$seconds[move];" \
    "[card][move]overlay=x='mod(n*8\,W)':y=$((h / 3))," \
    "drawtext=fontfile=$font:text='$2':x=60:y=60:fontsize=$((h / 16)):fontcolor=white:box=1:boxcolor=black," \
    "drawtext=fontfile=$font:text='%{pts\:hms}  %{eif\:n\:d\:3}':x=60:y=h-$((h / 4)):fontsize=$((h / 10)):" \
    "fontcolor=white:box=1:boxcolor=black,format=yuv420p"
}

# No B-frames, a key picture every 2 s, parameter sets in front of each, one slice per picture:
# what nearly every camera sends.
run -f lavfi -i "$(picture 1280x720 'gbgate H.264')" -c:v libx264 -profile:v high -level 3.1 \
  -preset slow -crf 30 -threads 1 \
  -x264-params keyint=50:min-keyint=50:scenecut=0:bframes=0:aud=1:repeat-headers=1:slices=1 \
  -bsf:v filter_units=remove_types=6 -f h264 video.h264
run -f lavfi -i "$(picture 1920x1080 'gbgate H.265')" -c:v libx265 -preset medium -crf 32 \
  -x265-params "$(tr -d ' \n' <<<'log-level=error : info=0 : pools=1 : frame-threads=1 : keyint=50 : min-keyint=50 :
    scenecut=0 : open-gop=0 : bframes=0 : aud=1 : repeat-headers=1')" \
  -f hevc video.h265

# A sweep with a beep each second: no two stretches of it are alike.
sound() { # $1 sample rate, $2 seconds
  printf '%s' "aevalsrc=sample_rate=$1:duration=$2:exprs='" \
    "0.3*sin(2*PI*(300*mod(t\,$seconds)+60*mod(t\,$seconds)*mod(t\,$seconds)))" \
    "+0.3*lt(mod(t\,1)\,0.1)*sin(2*PI*1000*t)'"
}
run -f lavfi -i "$(sound 8000 $seconds)" -c:a pcm_alaw -ac 1 -f alaw audio.alaw
# Two rounds are encoded and the second one kept, so that its first frame follows from its last.
run -f lavfi -i "$(sound 16000 $((2 * seconds + 1)))" -c:a aac -profile:a aac_low -b:a 32k -ac 1 \
  -bsf:a "noise=drop='lt(n\,125)+gte(n\,250)'" -f adts audio.aac
