package stage

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"

	"github.com/bar-tech/cognito/browsers/internal/drive"
	"github.com/bar-tech/cognito/internal/freeport"
	"github.com/gofiber/storage/redis/v3"
)

// SetBehindNginx sets the scene with nginx in front of the app: it ends TLS, strips
// the prefix /app, and gives every other request to the other of two instances,
// which share one Redis.
func SetBehindNginx(b *drive.Browser) *Scene {
	b.Helper()
	nginx, redisServer := drive.Need(b.T, "nginx", "/usr/sbin/nginx"), drive.Need(b.T, "redis-server")
	s := build(b.T)
	port := freeport.Next()
	host := "app.n" + port + ".localhost"
	s.App = "https://" + host + ":" + port + "/app"
	s.Pool.AllowOrigin(s.App)

	address := s.startRedis(redisServer)
	instances := [2]string{}
	for i := range instances {
		store := redis.New(redis.Config{URL: "redis://" + address + "/0"})
		s.Cleanup(func() { _ = store.Close() })
		instances[i] = serveV2(s, Settings{Storage: store, Asked: func() { s.instances[i].Store(true) }})
	}
	s.startNginx(nginx, host, port, instances)
	return s
}

// Instances is how many instances were asked for something.
func (s *Scene) Instances() int {
	asked := 0
	for i := range s.instances {
		if s.instances[i].Load() {
			asked++
		}
	}
	return asked
}

// startRedis starts a server that keeps nothing and ends with the test.
func (s *Scene) startRedis(path string) string {
	s.Helper()
	port := freeport.Next()
	drive.Run(s.T, exec.Command(path, "--port", port, "--bind", "127.0.0.1", "--dir", s.TempDir(), "--save", "", "--appendonly", "no"))
	drive.WaitFor(s.T, "127.0.0.1:"+port)
	return "127.0.0.1:" + port
}

// startNginx starts nginx with a configuration such as its users write.
func (s *Scene) startNginx(path, host, port string, instances [2]string) {
	s.Helper()
	dir := s.TempDir()
	chain, key := s.authority.write(dir, s.authority.certify(host))
	file := filepath.Join(dir, "nginx.conf")
	config := fmt.Sprintf(nginxConfig, dir, instances[0], instances[1], port, host, chain, key)
	if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
		s.Fatal(err)
	}
	drive.Run(s.T, exec.Command(path, "-p", dir, "-c", file, "-e", filepath.Join(dir, "error.log")))
	drive.WaitFor(s.T, "127.0.0.1:"+port)
}

// nginxConfig is all that nginx is told. Its slash behind the upstream is what
// strips the prefix.
const nginxConfig = `
daemon off;
worker_processes 1;
pid %[1]s/nginx.pid;
events {}
http {
	access_log off;
	client_body_temp_path %[1]s/body;
	proxy_temp_path %[1]s/proxy;
	fastcgi_temp_path %[1]s/fastcgi;
	uwsgi_temp_path %[1]s/uwsgi;
	scgi_temp_path %[1]s/scgi;
	upstream app {
		server %[2]s;
		server %[3]s;
		keepalive 8;
	}
	server {
		listen 127.0.0.1:%[4]s ssl http2;
		server_name %[5]s;
		ssl_certificate %[6]s;
		ssl_certificate_key %[7]s;
		location /app/ {
			proxy_pass http://app/;
			proxy_http_version 1.1;
			proxy_set_header Connection "";
			proxy_set_header Host $http_host;
			proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
			proxy_set_header X-Forwarded-Proto $scheme;
		}
	}
}
`
