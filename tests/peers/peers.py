"""The servers that are compared: one entry each."""

from dataclasses import dataclass

CASES = {
    "short": "a connection a request, 128 bytes, {concurrency} at once",
    "keep-alive": "64 kept connections at once, 128 bytes",
    "skewed": "1 % of the requests wait 20 ms; latency of the others; {concurrency} at once",
    "pool": "how Bullpen's pool scales; a connection a request, {concurrency} at once",
    "idle": "10,000 silent kept connections, and 16 that make 2,000 requests a second",
    "busy": "1,000 kept connections as fast as they can",
    "steady": "1,000 kept connections, a request a second each; late after a second",
    "deaths": "the master is killed 4 times a second, under clients of all kinds",
    "reloads": "the configuration is read again 4 times a second, under clients of all kinds",
    "upgrades": "a new program takes over 20 times, under clients of all kinds",
    "slow": "1,000 connections with slow headers, bodies and reads of 4 MiB; 50 requests/s",
}
DISTURBANCES = ("deaths", "reloads", "upgrades")
LONG_CASES = (*DISTURBANCES, "slow")  # They take 25 s a peer.
USUAL_CASES = tuple(case for case in CASES if case not in LONG_CASES)
CASE_PACKAGES = {"slow": ("slowhttptest",)}
LEAST_S = {"busy": 3.0, "steady": 3.0}  # Of a load, that a client can starve in it.

# Of servers whose processes or threads serve one client at a time: @workers@ in commands and configurations.
WORKERS = {"short": 8, "keep-alive": 64, "skewed": 16, "pool": 0, "idle": 16, "busy": 16, "steady": 16, "slow": 16,
           **dict.fromkeys(DISTURBANCES, 16)}
# Of those with room for a number of them: @connections@, in each process.
CONNECTIONS = {"idle": 12_000, "busy": 2_000, "steady": 2_000, **dict.fromkeys(DISTURBANCES, 2_000)}
USUAL_CONNECTIONS = 1_024

COMMON_CASES = ("short", "keep-alive", "skewed")
NEVER_KEEPS_ALIVE = ("short", "skewed")
STATIC_FILES_ONLY = ("short", "keep-alive")
CROWDS = ("idle", "busy", "steady")


@dataclass(frozen=True)
class Peer:
    name: str
    command: str  # @name@ in it, and in its files, is replaced by what values() in run says.
    packages: tuple = ()
    folders: tuple = ()  # Beside this file; what is in them is copied to @home@.
    cases: tuple = COMMON_CASES
    skewed_paths: tuple = ("/small.txt", "/slow")
    processes: int = 1  # It has started when it has at least that many.
    warm_up_s: float = 0.3
    workers: int = 0  # 0: as in WORKERS.


def bullpen(model, flags="", workers="--workers @workers@", name="", cases=COMMON_CASES):
    return Peer(f"bullpen/{name or model}",
                "@bullpen@ serve @service@ --listen 127.0.0.1:@port@ --metrics @metrics@ --control off "
                f"--model {model} {workers} {flags}", cases=cases, skewed_paths=("/bytes/128", "/sleep/20"))


def superserver(name, command, *packages, folders=()):
    """Starts tests/peers/inetd/respond.c for each connection, linked with musl: to start and to end a static program of glibc
    takes three quarters of the CPU, whoever starts it."""
    return Peer(name, command, ("musl-tools", *packages), folders, NEVER_KEEPS_ALIVE)


# It can't be installed beside xinetd: it is unpacked, and has the libraries of its own package.
OF_OPENBSD_INETD = ("libwrap0", "libbsd0", "libevent-2.1-7", "libtirpc3")
# Compiled by run: how, and of what. Those that are bare do the least that their design allows.
OWN_PROGRAMS = {"respond": (("musl-gcc", "-static"), "inetd/respond.c"),
                "bare_superserver": (("musl-gcc", "-static"), "bare/superserver.c"),
                "bare_prefork": (("gcc",), "bare/prefork.c")}
NGINX = ("nginx", "libnginx-mod-http-echo")

PEERS = (
    Peer("nginx", "nginx -p @home@ -e @home@/error.log -c @home@/nginx.conf", NGINX, ("nginx",),
         (*COMMON_CASES, *CROWDS, "deaths", "reloads")),
    Peer("nginx/file-cache", "nginx -p @home@ -e @home@/error.log -c @home@/nginx.conf", NGINX,
         ("nginx", "nginx-file-cache"), STATIC_FILES_ONLY),
    Peer("apache/prefork", "apache2 -f @home@/apache.conf -DFOREGROUND -D@case@", ("apache2-bin", "media-types"),
         ("apache-site", "apache-prefork"), (*COMMON_CASES, "slow")),
    Peer("apache/prefork-of-64", "apache2 -f @home@/apache.conf -DFOREGROUND -D@case@", ("apache2-bin", "media-types"),
         ("apache-site", "apache-prefork"), ("slow",), workers=64),
    Peer("apache/prefork-of-1100", "apache2 -f @home@/apache.conf -DFOREGROUND -D@case@", ("apache2-bin", "media-types"),
         ("apache-site", "apache-prefork"), ("deaths", "reloads"), workers=1_100),
    Peer("apache/event", "apache2 -f @home@/apache.conf -DFOREGROUND -D@case@", ("apache2-bin", "media-types"),
         ("apache-site", "apache-event"), (*COMMON_CASES, "deaths", "reloads")),
    Peer("uwsgi", "uwsgi-core --ini @home@/uwsgi.ini", ("uwsgi-plugin-python3",), ("wsgi", "uwsgi"),
         NEVER_KEEPS_ALIVE),
    Peer("uwsgi/http-router", "uwsgi-core --ini @home@/http-router.ini", ("uwsgi-plugin-python3",),
         ("wsgi", "uwsgi"), ("keep-alive",)),
    Peer("gunicorn", "gunicorn -c @home@/gunicorn.conf.py app:application", ("gunicorn",), ("wsgi", "gunicorn"),
         NEVER_KEEPS_ALIVE),
    Peer("gunicorn/gthread", "gunicorn -c @home@/gunicorn.conf.py app:application", ("gunicorn",),
         ("wsgi", "gunicorn-gthread")),
    Peer("unicorn", "unicorn -E production -c @home@/unicorn.rb @home@/config.ru", ("unicorn",), ("rack", "unicorn"),
         NEVER_KEEPS_ALIVE),
    Peer("puma", "puma -C @home@/puma.rb @home@/config.ru", ("puma",), ("rack", "puma")),
    Peer("node/cluster", "node @home@/server.js", ("nodejs",), ("node",), processes=3,
         warm_up_s=3.0),  # Until its compiler has seen enough.
    superserver("xinetd", "xinetd -dontfork -f @home@/xinetd.conf -pidfile @home@/xinetd.pid", "xinetd",
                folders=("xinetd",)),
    superserver("openbsd-inetd", "@openbsd_inetd@/usr/sbin/inetd -i @home@/inetd.conf", *OF_OPENBSD_INETD,
                folders=("openbsd-inetd",)),
    superserver("bare/superserver", "@bare_superserver@ @port@ @respond@"),
    Peer("bare/accept", "@bare_prefork@ accept @port@ @workers@", cases=NEVER_KEEPS_ALIVE),
    Peer("bare/handoff", "@bare_prefork@ handoff @port@ @workers@", cases=NEVER_KEEPS_ALIVE),
    superserver("tcpserver", "tcpserver -H -R -l 0 -c 1000 -b 4096 127.0.0.1 @port@ @respond@", "ucspi-tcp"),
    Peer("socketserver/forking", "python3 @home@/server.py forking @port@", ("python3",), ("socketserver",)),
    Peer("socketserver/threading", "python3 @home@/server.py threading @port@", ("python3",), ("socketserver",)),
    bullpen("iterative", workers="", cases=NEVER_KEEPS_ALIVE),
    bullpen("fork", workers=""),
    bullpen("thread", workers=""),
    bullpen("prefork-accept"),
    bullpen("prefork-lock"),
    bullpen("prefork-reuseport"),
    bullpen("prefork", cases=(*COMMON_CASES, *CROWDS, "deaths", "slow")),
    Peer("bullpen/prefork-of-a-file", "@bullpen@ serve --config @home@/bullpen.toml", (), ("bullpen",),
         ("reloads", "upgrades")),
    bullpen("prefork", "--source-connections 50", name="prefork+limit", cases=("slow",)),
    bullpen("prefork", "--file-cache 10", name="prefork+file-cache", cases=STATIC_FILES_ONLY),
    bullpen("prefork", "--threads 8", "--workers 8", name="prefork+threads"),
    bullpen("prethread"),
    bullpen("prethread-accept"),
    bullpen("event", workers=""),
    *(bullpen(model, workers="") for model in ("select", "poll", "epoll", "signal")),
    bullpen("prefork-event", workers="--workers 2"),
    bullpen("event", "--capacity 12000", workers="", name="event+capacity", cases=("idle",)),
    superserver("bullpen/inetd", "@bullpen@ serve exec --listen 127.0.0.1:@port@ --metrics off --control off --model inetd "
                "-- @respond@"),
    superserver("bullpen/superserver", "@bullpen@ inetd @home@/inetd.conf --metrics off --control off",
                folders=("superserver",)),
    *(bullpen("prefork", workers=f"--workers {workers}", name=f"prefork-of-{workers}", cases=("pool",))
      for workers in (2, 10, 64, 1000)),
)
