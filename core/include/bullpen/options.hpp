/// What a user may choose for a pool. servers/settings has a row for each of these: the program's flag, the
/// configuration file's key, the range and the check, for the program and for the library alike.
#pragma once

#include <chrono>
#include <cstddef>
#include <functional>
#include <string>
#include <vector>

#include <bullpen/accept_lock_kind.hpp>
#include <bullpen/admission_options.hpp>
#include <bullpen/bound_addresses.hpp>
#include <bullpen/handoff_when.hpp>
#include <bullpen/listen_options.hpp>
#include <bullpen/log.hpp>
#include <bullpen/out_of_band.hpp>
#include <bullpen/per_worker.hpp>
#include <bullpen/pool_limits.hpp>
#include <bullpen/time_limits.hpp>

namespace bullpen {

/// The scheduling policy of the workers, see sched(7), and of the master if all its pools hand off.
enum class Scheduling {
    batch,  ///< SCHED_BATCH: a worker that is woken by a handoff does not take the CPU from the master in the
            ///< middle of its round. Measured: a third less CPU for each connection, and more of them.
    normal,  ///< SCHED_OTHER: may answer sooner where other programs keep the CPUs busy.
};

struct Options {
    std::string name = "default";  ///< The pool's name in logs and metrics.
    /// HOST:PORT, [V6]:PORT, :PORT, unix:/path, unix:@name, seqpacket:/path, sctp:HOST:PORT; or, for
    /// a DatagramHandler, udp:HOST:PORT, udp:[V6]:PORT, unixgram:/path or unixgram:@name.
    std::vector<std::string> listen = {"127.0.0.1:8080"};
    std::string model = "prefork";  ///< One of those that `bullpen models` lists.

    PoolLimits limits = {};
    std::chrono::milliseconds shrink_window{10'000};  ///< A worker idle for all of it may be retired.
    ListenOptions listen_options = {};
    OutOfBand oob = OutOfBand::off;  ///< What becomes of TCP's urgent data.
    Scheduling scheduling = Scheduling::batch;
    int threads = 1;      ///< prefork: workers in each process, a thread each.
    int capacity = 1000;  ///< Connections of a worker that serves many at once: event models, epoll …
    /// prefork: connections that may lie in a worker's channel while it serves another, when no worker is
    /// idle, so that it goes on without a wake-up: as many as wait for each worker, at least 1 and at most
    /// this. A worker that falls idle first gets them.
    int queue_ahead = 8;
    /// UDP: how many busy peers of each worker have a socket of their own at once, connected to them, 0 to
    /// 1000. A peer is busy that sends more before it is answered: 32 datagrams within 100 ms, four or more
    /// at once, if each is served within 100 µs; a second of silence ends it. Its datagrams don't fill the
    /// others' queue, and one worker serves them all. 0: none. Needs a udp: listener.
    int connected = 0;
    AcceptLockKind accept_lock = AcceptLockKind::mutex;  ///< prefork-lock: what the workers take turns by.

    AdmissionOptions admission = {};                   ///< Which clients get in, where the master accepts.
    HandoffWhen handoff_when = HandoffWhen::accepted;  ///< Where the master accepts.
    /// How long a worker waits for the next request of its client before it gives the connection back, if the
    /// model parks; 0: not at all. The master ends the wait by handing the worker a client, or at its first
    /// look after this time, which comes within 250 ms.
    std::chrono::milliseconds await_next{4};
    TimeLimits time_limits = {};
    /// For one request; then its worker is told to stop (SIGTERM) and, after request_grace, killed. 0: no
    /// limit. Not with models whose one process serves many clients.
    std::chrono::milliseconds request_timeout{0};
    std::chrono::milliseconds request_grace{5'000};
    /// A worker that is stopped (SIGSTOP, a debugger) for longer than this is killed, and the requests that
    /// it had begun are lost; so is one that lacks a connection it was handed and doesn't answer. Time in
    /// which the master itself wasn't running doesn't count.
    std::chrono::milliseconds stopped_timeout{10'000};

    /// How often a request whose worker was killed by a signal is given to another worker, if no byte of it
    /// was taken or answered before (see Connection::peek). Not if the worker called exit() or the master
    /// ended it. A connection that no worker had begun with goes to another one always. http sets 1.
    int retry_crashed = 0;
    /// KiB of shared memory in which each worker keeps its own metrics (bullpen/metrics.hpp): 16 have room
    /// for some 200 counters or 30 histograms, each set of labels counted. 0: they count nothing.
    int metrics_kib = 16;
    bool parks_files = false;  ///< The handler leaves files with connections that wait (Connection::file()).
                               ///< Each connection is then admitted at the price of two descriptors.

    int queue = 0;  ///< Clients that may wait for a worker in the master; the others in the backlog.
    std::chrono::milliseconds queue_timeout{
        1'000};                       ///< How long a client may wait there; then it is refused.
    std::string refusal = {};         ///< The bytes that are sent to a client refused for overload.
    std::size_t connections_max = 0;  ///< Open at once; 0: as many as RLIMIT_NOFILE has room for. Never more
                                      ///< than that.

    /// Called in each worker's process, before it is ready, by its main thread: the place to drop
    /// privileges, to open what the handlers share, to seed a generator. What it throws is logged, the worker
    /// ends before it was ready and another one is tried after a pause; meanwhile /readyz says so. Not with
    /// the model inetd. Under the model fork that is once for each client.
    std::function<void(WorkerContext&)> on_worker_start = {};
    /// Called in the same thread when the worker leaves in order (retired, reload, stop), after its last
    /// client and before it calls _exit(2). What it throws is logged. It isn't called if the worker crashes
    /// or is killed, nor, under the model prefork-lock, in a worker that waits for its turn to accept.
    std::function<void(WorkerContext&)> on_worker_stop = {};

    // Of the whole server. Pools of one Server say the same, or leave the default.
    /// Called with the addresses that were bound (port 0 is a port that was free) once the server can take
    /// clients: in a process of its own, which ends with it, so that it may block. What it throws is logged.
    /// Called again by a new program after an upgrade, and if the master dies in that moment.
    std::function<void(const BoundAddresses&)> on_ready = {};
    std::string metrics = "off";  ///< Where Prometheus may scrape (/metrics, /healthz, /readyz), or "off".
    /// The directory of the control socket for `bullpen ctl --name NAME`, where NAME is the pool's; "auto" is
    /// /run/bullpen for root, else $XDG_RUNTIME_DIR/bullpen; or "off".
    std::string control = "off";
    std::string pid_file = "off";  ///< Has the keeper's pid while the server is ready; or "off".
    /// Has all addresses that were bound while the server is ready, a line "ADDRESS POOL" for each and then
    /// "ADDRESS metrics": where port 0 was asked for, the port. Put in place as a whole (rename(2)); or
    /// "off".
    std::string port_file = "off";
    /// Where log lines go: "stderr"; "fd:N", an open descriptor of the process; or a path, relative to the
    /// working directory. A file is appended to, and made with mode 0640 (less the umask) if it isn't there.
    std::string log = "stderr";
    LogLevel log_level = LogLevel::info;  ///< Less important lines are not written.
    LogFormat log_format = LogFormat::text;
    std::chrono::seconds drain_timeout{30};  ///< The longest that an orderly stop may take.
    /// A master that has done nothing for this time is killed, and another one goes on with the workers and
    /// connections. Time in which the whole server was stopped, or the machine suspended, doesn't count.
    std::chrono::seconds master_timeout{10};
    std::chrono::seconds upgrade_timeout{
        60};  ///< For a new program to become ready, see `bullpen ctl upgrade`.
    /// Whether ps and top show what each process does ("bullpen: worker [web/3]"). The kernel reads that
    /// where the arguments and the environment were, so serve() moves those strings and points main()'s argv
    /// and environ to them: argv[1] and getenv() go on to be right, but a pointer to such a string, or a
    /// string_view of one, that was kept since before serve() finds titles there. Without room in the
    /// environment (env -i) a title is cut to the length of the command line. False: no process's command
    /// line or name is touched. The program has no setting for it: nothing of it keeps such a pointer.
    bool process_titles = true;
};

}  // namespace bullpen
