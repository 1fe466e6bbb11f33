// Command ociimage writes a container image with one static binary as a tar file that
// `docker load`, `podman load` and `skopeo copy oci-archive:` take. It needs no daemon, and the
// same input gives the same bytes.
//
//	ociimage -binary gbgate -arch arm64 [-variant v7] -version 1.2.3 -config config.toml -out image.tar
package main

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"flag"
	"fmt"
	"log"
	"os"
	"time"
)

type options struct{ binary, arch, variant, version, config, out string }

func main() {
	log.SetFlags(0)
	var o options
	flag.StringVar(&o.binary, "binary", "", "static binary")
	flag.StringVar(&o.arch, "arch", "amd64", "GOARCH")
	flag.StringVar(&o.variant, "variant", "", "v5, v6 or v7 for arm")
	flag.StringVar(&o.version, "version", "dev", "version")
	flag.StringVar(&o.config, "config", "config.toml", "example configuration")
	flag.StringVar(&o.out, "out", "image.tar", "file to write")
	flag.Parse()
	if err := write(o); err != nil {
		log.Fatal("ociimage: ", err)
	}
}

func write(o options) error {
	layer, err := rootfs(o)
	if err != nil {
		return err
	}
	diffID := digest(layer)
	config, err := json.Marshal(map[string]any{
		"architecture": o.arch, "variant": o.variant, "os": "linux", "created": time.Unix(0, 0).UTC(),
		"config": map[string]any{
			"Entrypoint": []string{"/gbgate"}, "Cmd": []string{"run", "-c", "/etc/gbgate/config.toml"},
			"User": "65532:65532", "WorkingDir": "/", "StopSignal": "SIGTERM",
			"Volumes": map[string]any{"/var/lib/gbgate": map[string]any{}, "/etc/gbgate": map[string]any{}},
			"Labels": map[string]string{
				"org.opencontainers.image.version": o.version, "org.opencontainers.image.title": "gbgate",
			},
		},
		"rootfs":  map[string]any{"type": "layers", "diff_ids": []string{"sha256:" + diffID}},
		"history": []map[string]any{{"created": time.Unix(0, 0).UTC(), "created_by": "ociimage"}},
	})
	if err != nil {
		return err
	}
	configID := digest(config)
	type object = map[string]any
	manifest, err := json.Marshal(object{
		"schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json",
		"config": object{
			"mediaType": "application/vnd.oci.image.config.v1+json", "digest": "sha256:" + configID, "size": len(config),
		},
		"layers": []object{
			{"mediaType": "application/vnd.oci.image.layer.v1.tar", "digest": "sha256:" + diffID, "size": len(layer)},
		},
	})
	if err != nil {
		return err
	}
	index, err := json.Marshal(object{"schemaVersion": 2, "manifests": []object{{
		"mediaType": "application/vnd.oci.image.manifest.v1+json",
		"digest":    "sha256:" + digest(manifest), "size": len(manifest),
		"platform":    object{"architecture": o.arch, "os": "linux", "variant": o.variant},
		"annotations": object{"org.opencontainers.image.ref.name": o.version},
	}}})
	if err != nil {
		return err
	}
	// Beside the OCI layout the manifest.json that `docker load` reads.
	legacy, err := json.Marshal([]object{{
		"Config": "blobs/sha256/" + configID, "RepoTags": []string{"gbgate:" + o.version},
		"Layers": []string{"blobs/sha256/" + diffID},
	}})
	if err != nil {
		return err
	}
	image, err := archive([]file{
		{"oci-layout", 0o644, []byte(`{"imageLayoutVersion":"1.0.0"}`)},
		{"index.json", 0o644, index},
		{"manifest.json", 0o644, legacy},
		{"blobs/sha256/" + configID, 0o644, config},
		{"blobs/sha256/" + digest(manifest), 0o644, manifest},
		{"blobs/sha256/" + diffID, 0o644, layer},
	})
	if err != nil {
		return err
	}
	return os.WriteFile(o.out, image, 0o644)
}

// rootfs is the one layer: the binary, the example configuration and the folders it writes to.
func rootfs(o options) ([]byte, error) {
	binary, err := os.ReadFile(o.binary)
	if err != nil {
		return nil, err
	}
	config, err := os.ReadFile(o.config)
	if err != nil {
		return nil, err
	}
	return archive([]file{
		{"gbgate", 0o755, binary},
		{"etc/", 0o755, nil},
		{"etc/gbgate/", 0o755, nil},
		{"etc/gbgate/config.toml", 0o644, config},
		{"etc/passwd", 0o644, []byte("gbgate:x:65532:65532:gbgate:/var/lib/gbgate:/\n")},
		{"tmp/", 0o1777, nil},
		{"var/", 0o755, nil},
		{"var/lib/", 0o755, nil},
		{"var/lib/gbgate/", 0o750, nil},
	})
}

// file is an entry of a tar file; a name that ends in a slash is a folder.
type file struct {
	name string
	mode int64
	data []byte
}

func archive(files []file) ([]byte, error) {
	var buf bytes.Buffer
	w := tar.NewWriter(&buf)
	for _, f := range files {
		h := &tar.Header{
			Name: f.name, Mode: f.mode, Size: int64(len(f.data)), ModTime: time.Unix(0, 0), Format: tar.FormatUSTAR,
		}
		if f.name == "var/lib/gbgate/" {
			h.Uid, h.Gid = 65532, 65532
		}
		h.Typeflag = tar.TypeReg
		if f.name[len(f.name)-1] == '/' {
			h.Typeflag = tar.TypeDir
		}
		if err := w.WriteHeader(h); err != nil {
			return nil, fmt.Errorf("%s: %w", f.name, err)
		}
		if _, err := w.Write(f.data); err != nil {
			return nil, fmt.Errorf("%s: %w", f.name, err)
		}
	}
	err := w.Close()
	return buf.Bytes(), err
}

func digest(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}
