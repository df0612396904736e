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
};

/// Where the workers live.
enum class Housing {
    processes,       ///< A process each; with PoolOptions::threads, so many of them in each process.
    threads_of_one,  ///< All are threads of one process, which sizes its pool by itself.
};

/// One of the designs of UNP chapter 30 and TLPI chapter 60. The master supervises the workers of any of them
/// in the same way; the members that are left out are the usual case.
struct Model {
    std::string_view name;
    std::string_view summary;  ///< One line for the help: who accepts, where a client runs.
    Delivery delivery = Delivery::handoff;
    Form form = Form::blocking;
    Housing housing = Housing::processes;
    int workers_fixed = 0;              ///< The design has just so many workers; 0: the pool's limits say.
    bool own_listeners = false;         ///< Each worker has listeners of its own (SO_REUSEPORT).
    bool locks_accept = false;          ///< Its workers take turns at accept, see AcceptLock.
    bool multiplexes = false;           ///< A worker serves up to PoolOptions::capacity clients at once.
    bool takes_threads = false;         ///< PoolOptions::threads may be more than 1.
    std::string_view crash_takes = {};  ///< What is lost when a handler crashes, and counted as lost.
    std::string_view crash_hides = {};  ///< What is lost then without having been counted.
    std::string_view choose_when = {};  ///< What it is good for, and what not.
    void (*work)(WorkerProcess&) = nullptr;  ///< A worker process's whole life. None where a program is it.

    /// The master has each new client in its hands: it can park, queue or refuse it.
    [[nodiscard]] constexpr bool master_accepts() const noexcept { return delivery != Delivery::accept; }

    /// Workers can give a connection back.
    [[nodiscard]] constexpr bool parks() const noexcept {
        return delivery == Delivery::handoff && !multiplexes;
    }

    /// A process can be ended for one slow request without ending everybody's.
    [[nodiscard]] constexpr bool limits_requests() const noexcept {
        return !multiplexes && housing == Housing::processes;
    }
};

}  // namespace bullpen
