/// A concurrency model: who accepts a client, and in which process and thread its handler runs.
#pragma once

#include <string_view>

namespace bullpen {

class WorkerProcess;

/// How a client gets to a worker.
enum class Delivery {
    handoff,  ///< The master accepts and passes the descriptor to an idle worker (UNP 30.9).
    fork,     ///< The master accepts and forks a worker for this one client (UNP 30.5).
    accept,   ///< The workers accept on the listeners themselves.
};

/// Which form of a service the model runs.
enum class Form {
    blocking,      ///< A Handler.
    asynchronous,  ///< An AsyncHandler.
    program,       ///< A Program.
    datagram,      ///< A DatagramHandler.
};

/// Where the workers live.
enum class Housing {
    processes,       ///< In processes, with Options::threads workers in each (default 1).
    threads_of_one,  ///< All workers are threads of one process, which sizes its pool by itself.
};

/// One of the designs of UNP chapter 30 and TLPI chapter 60. The master supervises the workers of all models
/// in the same way. A default is the usual case.
struct Model {
    std::string_view name;
    std::string_view summary;  ///< One line for the help: who accepts, where a client runs.
    Delivery delivery = Delivery::handoff;
    Form form = Form::blocking;
    Housing housing = Housing::processes;
    int workers_fixed = 0;              ///< The number of workers of the design; 0: by the pool's limits.
    bool own_listeners = false;         ///< Each worker has listeners of its own (SO_REUSEPORT).
    bool lends_listener = false;        ///< Its one worker gives the listener away for a while.
    bool locks_accept = false;          ///< The workers take turns at accept, see AcceptLock.
    bool multiplexes = false;           ///< A worker serves up to Options::capacity clients at once.
    int capacity_most = 0;              ///< Above this capacity it can't be; 0: any.
    bool takes_threads = false;         ///< Options::threads may be more than 1.
    bool receives_one = false;          ///< Of datagrams: a worker is started when one waits, for that one.
    std::string_view crash_takes = {};  ///< The connections that a crash of a handler ends, counted as lost.
    std::string_view crash_hides = {};  ///< The connections that it ends uncounted.
    std::string_view choose_when = {};  ///< When to choose the model.
    void (*work)(WorkerProcess&) = nullptr;  ///< A worker process's whole life; null if a program is started
                                             ///< in place of a worker.
    /// The same in a pool whose listeners are for datagrams; null: the model has none. See for_datagrams().
    void (*work_datagrams)(WorkerProcess&) = nullptr;

    /// Whether the master accepts, so that it can park, queue or refuse a client.
    [[nodiscard]] constexpr bool master_accepts() const noexcept { return delivery != Delivery::accept; }

    /// Whether a worker is started for each client, and ends with it.
    [[nodiscard]] constexpr bool forks_for_each() const noexcept {
        return delivery == Delivery::fork || receives_one;
    }

    /// Whether the master closes its copy of a connection once it is served: a program ends it as it likes.
    [[nodiscard]] constexpr bool gives_away() const noexcept { return form == Form::program; }

    /// Whether workers can give a connection back to be parked.
    [[nodiscard]] constexpr bool parks() const noexcept {
        return delivery == Delivery::handoff && !multiplexes && form != Form::program;
    }

    /// Whether a worker serves its clients in turns, each a call of the blocking handler: one that waits for
    /// its client, instead of returning Next::await_input, lets all others wait.
    [[nodiscard]] constexpr bool takes_turns() const noexcept {
        return multiplexes && form == Form::blocking;
    }

    /// Whether a process can be ended for one slow request without ending the requests of other clients.
    [[nodiscard]] constexpr bool limits_requests() const noexcept {
        return !multiplexes && housing == Housing::processes;
    }
};

/// The model as a pool of datagrams has it: the workers receive by themselves, on sockets that they share or,
/// with own_listeners, on their own. Where the master would accept and fork, it starts a worker when a
/// datagram waits, and that receives it. The model must have work_datagrams.
constexpr Model for_datagrams(Model model) noexcept {
    model.receives_one = model.delivery == Delivery::fork;
    model.delivery = Delivery::accept;
    model.form = Form::datagram;
    model.work = model.work_datagrams;
    return model;
}

}  // namespace bullpen
