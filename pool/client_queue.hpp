/// The client queue of the model prethread: from the thread that accepts to those that serve (UNP 30.12).
#pragma once

#include <condition_variable>
#include <deque>
#include <mutex>
#include <optional>

#include "pool/worker.hpp"

namespace bullpen {

/// Never holds more clients than threads that wait for one: the other clients wait in the kernel's backlog.
class ClientQueue {
public:
    /// For the thread that accepts: waits until a thread waits for a client. Returns false once closed.
    bool wait_for_taker();

    void put(Client client);

    /// For the threads that serve: waits for a client. Returns nothing once the worker was told to leave, or
    /// the queue is closed and empty.
    std::optional<Client> take(const Worker& worker);

    /// After this call put() must not be called.
    void close();

    /// Makes the threads in take() look again whether they were told to leave.
    void wake();

private:
    std::mutex mutex_;
    std::condition_variable has_client_;
    std::condition_variable has_taker_;
    std::deque<Client> clients_;
    std::size_t takers_ = 0;  ///< Threads in take().
    bool closed_ = false;
};

}  // namespace bullpen
