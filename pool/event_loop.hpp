/// An event loop: a worker that serves many connections at once with Boost.Asio.
#pragma once

#include <memory>

namespace bullpen {

class WorkerProcess;

/// Runs the service's asynchronous handler as a coroutine for each connection, all in one thread, and at most
/// WorkerSeat::capacity of them at once.
class EventLoop {
public:
    explicit EventLoop(WorkerProcess& process);
    ~EventLoop();
    EventLoop(const EventLoop&) = delete;
    EventLoop& operator=(const EventLoop&) = delete;

    /// Accepts on the pool's listeners.
    void accept_clients();

    /// Receives the connections that the master hands over.
    void receive_clients();

    /// Tells the master that this worker can serve, and serves until it is time to leave and the last
    /// connection has ended.
    void run();

private:
    struct Machinery;
    std::unique_ptr<Machinery> machinery_;
};

}  // namespace bullpen
