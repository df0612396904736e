#include "pool/reload.hpp"

#include <algorithm>
#include <chrono>
#include <exception>
#include <string>
#include <string_view>
#include <utility>

#include "core/log.hpp"
#include "pool/reconfiguration.hpp"

namespace bullpen {
namespace {

// Exit statuses of `bullpen ctl`.
constexpr int could_not = 1;
constexpr int refused = 2;

std::uint64_t unix_time_s() noexcept {
    const auto now = std::chrono::system_clock::now().time_since_epoch();
    return static_cast<std::uint64_t>(std::chrono::duration_cast<std::chrono::seconds>(now).count());
}

}  // namespace

void Reload::read_from(ConfigurationSource source, std::function<std::optional<Companion>()> companion) {
    source_ = std::move(source);
    new_companion_ = std::move(companion);
}

void Reload::adopt(OpenDescriptors& open) {
    book_.take_over_clients(note_[0], open);
    if (note_[0].is_under_way()) book_.set_phase(Phase::reloading);
}

void Reload::start(Events& events) noexcept {
    events_ = &events;
    note_.keep_from_children();
    publish();
}

void Reload::go_on(TimePoint now) {
    const ReloadNote& note = note_[0];
    if (book_.phase() == Phase::reloading && note.wanted != note.begun) begin_check(now);
}

std::optional<Outcome> Reload::begin(TimePoint now) {
    if (!source_)
        return Outcome{{refused,
                        "there is nothing to read again: the server was started without a configuration file "
                        "(--config)"}};
    ReloadNote& note = note_[0];
    note.begun = note.begun + 1;
    begin_check(now);
    return {};
}

void Reload::begin_check(TimePoint now) {
    log(LogLevel::info, "master: reading the configuration again");
    std::vector<PresentPool> present;
    for (const Pool* const pool : image_.pools.live())
        if (pool->is_serving()) present.push_back(pool->present());
    note_[0].new_listeners_count = 0;
    try {
        check_ = std::make_unique<ConfigurationCheck>(source_, present, note_, *events_,
                                                      now + image_.options.check_timeout);
    } catch (const std::exception& error) {
        settle({could_not, std::string{error.what()} + "; nothing was changed"});
    }
}

void Reload::attend(TimePoint now) {
    if (book_.phase() != Phase::reloading) return;
    if (check_) {
        std::optional<CheckResult> result = check_->attend(now);
        if (!result) return;
        check_.reset();
        if (result->answer.exit_status == 0) return make_room(std::move(result->listeners));
        return settle({result->answer.exit_status, result->answer.message + "; nothing was changed"});
    }
    const ReloadNote& note = note_[0];
    if (!note.is_under_way()) return settle({could_not, "it could not begin"});
    if (note.failed == note.begun)
        return settle({could_not, std::string{note.failure.data()} + "; nothing was changed"});
    const Pools& pools = image_.pools;
    if (!pools.all_of_live([](const Pool& pool) { return !pool.is_serving() || !pool.is_renewing(); }))
        return;
    const Pool* const failed =
        pools.first_of_live([](const Pool& pool) { return pool.has_failed_to_renew(); });
    if (failed == nullptr) return settle({0, "the new configuration is in effect"});
    settle({could_not, "pool " + failed->options().name +
                           ": no worker becomes ready that was started with the new configuration; the "
                           "others serve on with the old one"});
}

/// Leaves everything to the next master. From the store of `wanted` on the keeper carries the reload out,
/// whatever happens to this process.
void Reload::make_room(std::vector<NewListener<UniqueFd>> listeners) noexcept {
    ReloadNote& note = note_[0];
    for (std::size_t i = 0; i < listeners.size(); ++i) {
        note.new_listeners[i].listener = std::move(listeners[i].listener);
        note.new_listeners[i].pool = listeners[i].pool;
        note.new_listeners[i].text = listeners[i].text;
    }
    note.new_listeners_count = static_cast<std::uint32_t>(listeners.size());
    for (Pool* const pool : image_.pools.live())
        pool->leave_sources();
    book_.leave_clients(note);
    note.wanted = note.begun.load();
    makes_room_ = true;
}

/// Ends the phase and tells those who wait for it.
void Reload::settle(const ControlAnswer& answer) noexcept {
    check_.reset();
    ReloadNote& note = note_[0];
    const bool successful = answer.exit_status == 0;
    note.has_failed = successful ? 0 : 1;
    note.settled = note.begun.load();
    publish();
    log(successful ? LogLevel::info : LogLevel::error, "master: reload: " + answer.message);
    book_.settle_reload(answer);
    news_.announce();
}

void Reload::give_up() noexcept {
    const ReloadNote& note = note_[0];
    if (!note.is_under_way()) return;
    if (note.done == note.begun && note.failed != note.begun)
        settle({0, "the new configuration is in effect; the server stops"});
    else
        settle({could_not, "it is given up, because the server stops"});
}

void Reload::publish() noexcept {
    ReloadNote& note = note_[0];
    if (note.in_effect_since == 0) note.in_effect_since = unix_time_s();
    for (Pool* const pool : image_.pools.live())
        pool->publish_reload(note.has_failed == 0, note.in_effect_since);
}

// In the keeper, between two masters.

void Reload::put_into_effect() {
    ReloadNote& note = note_[0];
    if (!note.is_for_the_keeper()) return;
    try {
        change_image();
        note.in_effect_since = unix_time_s();
    } catch (const std::exception& error) {
        const std::string_view why = error.what();
        const std::size_t size = std::min(why.size(), note.failure.size() - 1);
        why.copy(note.failure.data(), size);
        note.failure[size] = '\0';
        note.failed = note.wanted.load();
    }
    note.done = note.wanted.load();
}

/// Keeps account of what is open: descriptors of new handlers are for their workers, and what this process
/// has is no stray to the next master.
void Reload::change_image() {
    image_.pools.forget_closed(image_.descriptors);
    image_.takeover.forget_closed(image_.descriptors);
    ReloadNote& note = note_[0];
    ImageDescriptors::Change descriptors{image_.descriptors};
    std::vector<NewListener<Listener>> added;
    for (std::uint32_t i = 0; i < note.new_listeners_count; ++i) {
        NewListener<TableFd>& one = note.new_listeners[i];
        descriptors.take(one.listener.get());
        added.push_back({Listener::adopt(one.listener.release()), one.pool, one.text});
    }
    Configuration wanted = source_.make(note.said().text());
    descriptors.note_handlers();
    const LogLevel log_level = wanted.log_level;
    const std::chrono::seconds drain_timeout = wanted.drain_timeout;
    const std::chrono::milliseconds master_timeout = wanted.master_timeout;
    const std::chrono::milliseconds upgrade_timeout = wanted.upgrade_timeout;
    bool others = false;
    {
        Reconfiguration reconfiguration{image_.pools.all(), std::move(wanted), std::move(added),
                                        image_.descriptors.users().size()};
        others = reconfiguration.carry_out();
    }
    set_log_level(log_level);
    image_.options.drain_timeout = drain_timeout;
    image_.options.master_timeout = master_timeout;
    image_.options.upgrade_timeout = upgrade_timeout;
    descriptors.commit();
    if (!others || !new_companion_) return;
    if (const std::optional<Companion> companion = new_companion_()) image_.companions.replace(*companion);
}

}  // namespace bullpen
