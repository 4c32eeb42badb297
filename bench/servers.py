"""The web servers that are compared: how each is started, on files of the benchmark's own.

Kiln's appliance/web is built with the site inside it. The others come from Debian; each has a
folder of its own for its configuration, its logs and its process id. All have one worker.

    nginx        what Debian's nginx.conf and its default site say: sendfile, tcp_nopush, gzip
                 for who asks for it (nobody here does), an access log
    nginx-tuned  and open_file_cache, no limit of requests a connection, no access log
    lighttpd     what Debian's lighttpd.conf says (it has no access log), but for the Perl script
                 that would list all types at every start
    apache       what Debian's apache2.conf and mpm_event.conf say, but for one process of 64
                 threads, with room for the idle connections of the largest case

An image of Kiln's is run by its monitor, as `kiln run` would run it.
"""

import os
import signal

from lab import ADDRESS, CLIENT, KILN, ROOT, TAP, Netns, join, kvm_serves, run
from rounds import Subject

IMAGES = os.path.join(ROOT, "build/bench")
MEMORY = "16M"  # of an image, enough for 512 connections; an untouched page is not used

NGINX = """
user www-data;
worker_processes 1;
daemon off;
pid {folder}/pid;
error_log {folder}/error.log;
events {{
	worker_connections {connections};
}}
http {{
	sendfile on;
	tcp_nopush on;
	types_hash_max_size 2048;
	types {{ text/html html; }}
	default_type application/octet-stream;
	gzip on;
	client_body_temp_path {folder}/body;
	proxy_temp_path {folder}/proxy;
	fastcgi_temp_path {folder}/fastcgi;
	uwsgi_temp_path {folder}/uwsgi;
	scgi_temp_path {folder}/scgi;
	{tuning}
	server {{
		listen 80 default_server;
		root {site};
		index index.html;
		server_name _;
		location / {{
			try_files $uri $uri/ =404;
		}}
	}}
}}
"""
NGINX_SHIPPED = "access_log {folder}/access.log;"
NGINX_TUNED = """access_log off;
	keepalive_requests 1000000000;
	open_file_cache max=1000 inactive=1h;
	open_file_cache_valid 1h;"""

LIGHTTPD = """
server.modules = ("mod_indexfile", "mod_access", "mod_alias", "mod_redirect",
                  "mod_dirlisting", "mod_staticfile")
server.document-root = "{site}"
server.upload-dirs = ("{folder}")
server.errorlog = "{folder}/error.log"
server.pid-file = "{folder}/pid"
server.username = "www-data"
server.groupname = "www-data"
server.port = 80
index-file.names = ("index.php", "index.html")
url.access-deny = ("~", ".inc")
static-file.exclude-extensions = (".php", ".pl", ".fcgi")
mimetype.assign = (".html" => "text/html")
"""

APACHE = """
ServerRoot {folder}
ServerName {address}
DefaultRuntimeDir {folder}
PidFile {folder}/pid
Listen 80
User www-data
Group www-data
Timeout 300
KeepAlive On
MaxKeepAliveRequests 100
KeepAliveTimeout 5
ErrorLog {folder}/error.log
LogLevel warn
{modules}
ServerLimit 1
StartServers 1
ThreadLimit 576
ThreadsPerChild 576
MaxRequestWorkers 576
MinSpareThreads 1
MaxSpareThreads 576
MaxConnectionsPerChild 0
TypesConfig /dev/null
AddType text/html .html
DocumentRoot {site}
<Directory {site}>
	Options Indexes FollowSymLinks
	AllowOverride None
	Require all granted
</Directory>
LogFormat "%h %l %u %t \\"%r\\" %>s %O \\"%{{Referer}}i\\" \\"%{{User-Agent}}i\\"" combined
CustomLog {folder}/access.log combined
"""
# What Debian's apache2 enables and a static page passes through.
APACHE_MODULES = ("mpm_event", "authn_core", "authz_core", "authz_host", "access_compat", "alias",
                  "autoindex", "deflate", "dir", "env", "filter", "mime", "negotiation",
                  "reqtimeout", "setenvif", "status")


class Server(Subject):
    """A web server that is measured."""

    def place(self):
        """Two namespaces, with a link between them."""
        self.client, self.home = Netns(), Netns()
        join(self.client, self.home)

    def prepare(self, site):
        """What is done once, before anything is measured."""

    def command(self, site, folder):
        """What to run; its files go into the folder, which is empty."""
        raise NotImplementedError


class Debian(Server):
    """A program with a configuration file."""

    def __init__(self, name, package, program, text, *options, **values):
        super().__init__(name)
        self.package = package
        self.program = program
        self.text = text
        self.options = options
        self.values = values

    def missing(self):
        if os.access(self.program, os.X_OK):
            return None
        return f"no {self.program}: apt-get install {self.package}"

    def command(self, site, folder):
        values = {key: value.format(folder=folder) for key, value in self.values.items()}
        path = os.path.join(folder, "conf")
        with open(path, "w", encoding="utf-8") as file:
            file.write(self.text.format(site=site, folder=folder, address=ADDRESS, **values))
        return [self.program, *self.options, path]


class Image(Server):
    """appliance/web for one of Kiln's targets."""

    stop_signal = signal.SIGINT

    def __init__(self, name, target):
        super().__init__(name)
        self.target = target
        self.image = os.path.join(IMAGES, f"web.{target}")

    def prepare(self, site):
        os.makedirs(IMAGES, exist_ok=True)
        run(KILN, "build", os.path.join(ROOT, "appliance/web"), "-t", self.target, "-o",
            self.image, "--site", site, timeout=600)

    def command(self, site, folder):
        return [self.image, "--memory", MEMORY]


class SealedImage(Image):
    """One with a stack of its own, behind a tap in its clients' namespace."""

    def __init__(self, name, target, monitor):
        super().__init__(name, target)
        self.monitor = os.path.join(ROOT, "build/bin", monitor)

    def missing(self):
        if not os.path.exists("/dev/net/tun"):
            return "no /dev/net/tun: this kernel has no tap interfaces"
        if self.target == "vm" and not kvm_serves():
            return "/dev/kvm does not open here"
        return None

    def place(self):
        self.client = self.home = Netns()

    def command(self, site, folder):
        return [self.monitor, "--net", f"tap:{TAP}", "-m", MEMORY, self.image,
                f"ip={ADDRESS}/24", f"gateway={CLIENT}"]


def web_servers():
    modules = "\n".join(f"LoadModule {name}_module /usr/lib/apache2/modules/mod_{name}.so"
                        for name in APACHE_MODULES)
    return [
        Image("kiln-host", "host"),
        SealedImage("kiln-jail-tap", "jail", "kiln-jail"),
        SealedImage("kiln-kvm", "vm", "kiln-kvm"),
        Debian("nginx", "nginx", "/usr/sbin/nginx", NGINX, "-c", tuning=NGINX_SHIPPED,
               connections="768"),
        Debian("nginx-tuned", "nginx", "/usr/sbin/nginx", NGINX, "-c", tuning=NGINX_TUNED,
               connections="4096"),
        Debian("lighttpd", "lighttpd", "/usr/sbin/lighttpd", LIGHTTPD, "-D", "-f"),
        Debian("apache", "apache2-bin", "/usr/sbin/apache2", APACHE, "-DFOREGROUND", "-f",
               modules=modules),
    ]
