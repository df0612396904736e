#include "pool/takeover.hpp"

#include <unistd.h>

#include <stdexcept>
#include <utility>

#include "pool/upgrade_channel.hpp"

namespace bullpen {

Takeover::Takeover(Logbook& logbook, Pools& pools, OrderBook& book, Companions& companions)
    : logbook_{logbook},
      pools_{pools},
      book_{book},
      companions_{companions},
      inheritance_{Inheritance::receive()} {}

void Takeover::start(Events& events, std::function<void()> released) {
    events_ = &events;
    released_ = std::move(released);
    if (is_awaited()) {
        companions_.hold();
        for (Pool* const pool : pools_.live())
            pool->hold();
    }
    if (is_done())
        for (Pool* const pool : pools_.live())
            pool->own_files();
    if (inheritance_.has_predecessor() && logbook_.predecessor_is_gone == 0)
        watch_.emplace(events.watch(inheritance_.channel()));
}

void Takeover::attend(TimePoint now) {
    if (!watch_) return;
    say_if_ready();
    if (!watch_->ready()) return;
    watch_->clear_ready();
    for (;;) {
        // An order that is obeyed before it is taken is found again by the master after one that dies in
        // between.
        const std::optional<UpgradeMessage> next = peek(inheritance_.channel());
        if (is_awaited() && next && next->word == UpgradeWord::go) {
            logbook_.watcher = static_cast<std::uint32_t>(next->pid);
            release(now);
        }
        UpgradeMail mail;
        const Received received = receive(inheritance_.channel(), mail);
        if (received == Received::empty || received == Received::later) return;
        if (received != Received::message) {
            if (is_awaited()) throw std::runtime_error{"the server that was to be upgraded has given it up"};
            watch_.reset();
            logbook_.predecessor_is_gone = 1;
            ::close(inheritance_.channel());
            return;
        }
        if (mail.message.word == UpgradeWord::connection) take_in(mail, now);
    }
}

void Takeover::say_if_ready() noexcept {
    if (!is_awaited() || has_said_ready_) return;
    if (!pools_.all_of_live([](const Pool& pool) { return pool.is_ready(); })) return;
    UpgradeMessage message{UpgradeWord::ready};
    message.pid = ::getppid();
    logbook_.has_said_ready = 1;
    has_said_ready_ = send(inheritance_.channel(), message) == Sent::sent;
}

void Takeover::release(TimePoint now) {
    logbook_.has_taken_over = 1;
    for (Pool* const pool : pools_.live()) {
        pool->release();
        pool->own_files();
        pool->start_workers(now);
    }
    book_.watch_by(*events_);
    companions_.release();
    companions_.attend(now);
    released_();
}

void Takeover::take_in(UpgradeMail& mail, TimePoint now) noexcept {
    Pool* const pool = pools_.first_of_live([&](const Pool& one) {
        return one.is_serving() && "pool " + one.options().name == mail.message.owner();
    });
    if (pool != nullptr && mail.descriptors[0])
        pool->take_in(mail.message.connection, std::move(mail.descriptors[0]), std::move(mail.descriptors[1]),
                      now);
}

void Takeover::forget_closed(ImageDescriptors& descriptors) noexcept {
    if (logbook_.predecessor_is_gone == 0) return;
    descriptors.forget(inheritance_.channel());
    inheritance_.forget_channel();
}

}  // namespace bullpen
