#include "pool/datagrams.hpp"

#include <algorithm>
#include <memory>

#include <bullpen/clock.hpp>
#include "core/datagram_batch.hpp"
#include "core/datagram_metrics.hpp"
#include "core/thread.hpp"
#include "pool/crew.hpp"
#include "pool/forked_child.hpp"
#include "pool/worker_process.hpp"

namespace bullpen {
namespace {

constexpr std::uint64_t batch_ns = 100'000;

DatagramRefusal reason_of(Refusal refusal) noexcept {
    switch (refusal) {
        case Refusal::rate: return DatagramRefusal::rate;
        case Refusal::banned: return DatagramRefusal::banned;
        default: return DatagramRefusal::denied;
    }
}

/// One worker's.
class DatagramServer {
public:
    DatagramServer(WorkerProcess& process, Worker& worker)
        : process_{process},
          worker_{worker},
          listeners_{process.seat().listeners},
          admission_{*process.seat().admission},
          peers_{worker.connected_peers()} {
        for (const Listener& listener : listeners_)
            tell_destinations(listener.fd());
    }

    /// Until it is time to leave. A worker that was woken looks once more: the kernel has woken no other.
    void run() {
        for (bool woken = false; woken || worker_.leave() != Leave::now;) {
            if (!peers_.empty()) {
                serve_peers();
                woken = true;
                continue;
            }
            if (serve_what_came()) continue;
            woken = false;
            if (worker_.leave() != Leave::no) return;
            const BlockedOrders orders;
            if (worker_.leave() == Leave::no) woken = process_.idle_wait().wait(orders);
        }
    }

    /// Serves one, of the sockets in turn, and is ready once it has it, or has found none. Those that aren't
    /// admitted don't count.
    void run_once() {
        bool served = false;
        for (std::size_t i = 0; i < listeners_.size() && !served; ++i) {
            const std::size_t next = (process_.seat().generation + i) % listeners_.size();
            const DatagramSource from{.socket = listeners_[next], .listener = next};
            while (!served && worker_.leave() != Leave::now &&
                   batch_->receive(from.socket, 1, DatagramBatch::Wait::never) > 0) {
                worker_.announce_ready();
                served = serve_received(from, 1) > 0;
            }
        }
        worker_.announce_ready();
    }

private:
    /// One batch of each socket, so that a busy one doesn't keep the others waiting. Returns whether there
    /// was a datagram. At the only socket it waits for one, for a slice.
    bool serve_what_came() {
        const bool one = listeners_.size() == 1 && worker_.leave() == Leave::no;
        const auto wait = one ? DatagramBatch::Wait::for_one : DatagramBatch::Wait::never;
        bool any = false;
        for (std::size_t i = 0; i < listeners_.size(); ++i)
            any = serve_batch({.socket = listeners_[i], .listener = i}, wait) || any;
        return any;
    }

    /// The same while busy peers have sockets of their own.
    void serve_peers() {
        const auto serve = [this](const DatagramSource& from) {
            serve_batch(from, DatagramBatch::Wait::never);
        };
        if (worker_.leave() == Leave::no)
            peers_.serve_ready(serve);
        else
            peers_.leave(serve);
    }

    bool serve_batch(const DatagramSource& from, DatagramBatch::Wait wait) {
        const std::size_t count =
            batch_->receive(from.socket, datagrams_at_once(service_ns_), wait, from.peer);
        if (count == 0) return false;
        serve_received(from, count);
        return true;
    }

    /// Returns how many were admitted.
    std::size_t serve_received(const DatagramSource& from, std::size_t count) {
        const std::uint64_t received_ns = monotonic_ns();
        worker_.receive_datagrams(count);
        std::uint64_t unsent_since_ns = received_ns;
        std::uint64_t now_ns = received_ns;
        std::size_t served = 0;
        for (std::size_t i = 0; i < count; ++i) {
            if (is_refused(i, from.listener, received_ns)) continue;
            serve(i, received_ns);
            ++served;
            now_ns = monotonic_ns();
            if (peers_.has_room() && batch_->came_to_us_alone(i))
                peers_.note(batch_->at(i), from.listener, received_ns, service_ns_);
            if (now_ns - unsent_since_ns < answers_wait_ns) continue;
            batch_->send_answers();
            unsent_since_ns = now_ns;
        }
        batch_->send_answers();
        worker_.end_batch();
        if (served > 0) service_ns_ = (now_ns - received_ns) / served;
        return served;
    }

    bool is_refused(std::size_t index, std::size_t listener, std::uint64_t now_ns) noexcept {
        if (!admission_.enabled()) return false;
        const std::optional<IpAddress> source = batch_->source(index);
        if (!source) return false;
        const std::optional<Refusal> refusal = admission_.admit(*source, listener, now_ns);
        if (!refusal) return false;
        count_refused_datagram(reason_of(*refusal));
        worker_.refuse_datagram();
        return true;
    }

    void serve(std::size_t index, std::uint64_t received_ns) noexcept {
        const std::uint64_t begun_ns = worker_.begin_datagram(received_ns);
        bool failed = false;
        try {
            Datagram datagram = batch_->at(index);
            worker_.datagram_handler()(datagram);
            end_forked_child();
        } catch (...) {
            failed = handler_failed();
        }
        if (failed)
            count_failed_datagram();
        else
            count_datagram(batch_->fate(index));
        worker_.end_datagram(begun_ns, !failed);
    }

    static constexpr std::uint64_t answers_wait_ns = 1'000'000;

    WorkerProcess& process_;
    Worker& worker_;
    std::span<const Listener> listeners_;
    const DatagramAdmission& admission_;
    ConnectedPeers& peers_;
    std::unique_ptr<DatagramBatch> batch_ = std::make_unique<DatagramBatch>();
    std::uint64_t service_ns_ = batch_ns;  ///< Of one, in the batch before.
};

}  // namespace

std::size_t datagrams_at_once(std::uint64_t service_ns) noexcept {
    return std::clamp<std::uint64_t>(batch_ns / std::max<std::uint64_t>(service_ns, 1), 1,
                                     DatagramBatch::most);
}

void serve_datagrams(WorkerProcess& process) {
    in_each_worker(process, [&process](Worker& worker) {
        DatagramServer server{process, worker};
        worker.ready();
        server.run();
    });
}

void serve_one_datagram(WorkerProcess& process) {
    DatagramServer{process, process.worker()}.run_once();
}

void serve_datagrams_by_threads(WorkerProcess& process) {
    Crew crew{process};
    crew.start_sized([&process](Worker& worker) { DatagramServer{process, worker}.run(); });
    process.ready();
    crew.wait_until_all_left();
}

}  // namespace bullpen
