#include "servers/settings/settings.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <optional>

#include "servers/models/models.hpp"
#include "servers/services/form.hpp"
#include "servers/services/service.hpp"
#include "servers/settings/admission_settings.hpp"
#include "servers/settings/limit_settings.hpp"
#include "servers/settings/nearest.hpp"

namespace bullpen {
namespace {

constexpr int workers_most = 10'000;
constexpr int day = 86'400;               // In seconds.
constexpr int rate_most = 1'000'000'000;  // Bytes a second.

[[noreturn]] void reject(std::string_view place, const std::string& sentence) {
    throw SettingError{(place.empty() ? "" : std::string{place} + ": ") + sentence};
}

std::optional<long long> to_number(std::string_view text) noexcept {
    long long value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc{} || end != text.data() + text.size()) return {};
    return value;
}

template <typename Owner>
[[noreturn]] void reject_number(const Setting<Owner>& setting, const std::string& got,
                                std::string_view place) {
    reject(place, "expected a number from " + std::to_string(setting.least) + " to " +
                      std::to_string(setting.most) + ", got " + got);
}

void note_given(PoolSettings& settings, std::string_view key) {
    settings.given.emplace(key);
}
void note_given(MasterSettings&, std::string_view) {}

mode_t to_mode(const std::string& text, std::string_view place) {
    unsigned mode = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), mode, 8);
    if (error != std::errc{} || end != text.data() + text.size() || mode > 0777)
        reject(place, "expected permission bits from 0000 to 0777 in octal, got '" + text + "'");
    return mode;
}

PoolLimits make_limits(const PoolSettings& settings, std::string_view place,
                       std::string (*spell)(std::string_view)) {
    const auto given = [&](std::string_view key) { return settings.given.contains(key); };
    PoolLimits limits;
    limits.spawn_burst_max = settings.spawn_burst_max;
    if (settings.workers > 0) {
        for (const char* other : {"workers_start", "spare_min", "spare_max", "workers_max"})
            if (given(other))
                reject(place,
                       spell("workers") + " makes a pool of fixed size and can't go with " + spell(other));
        limits.policy = SizingPolicy::fixed;
        limits.workers_max = limits.workers_start = settings.workers;
        return limits;
    }
    const auto number = [&](std::string_view key, int value) {
        return spell(key) + " (" + std::to_string(value) + (given(key) ? ")" : ", the default)");
    };
    if (settings.spare_min > settings.spare_max)
        reject(place, number("spare_min", settings.spare_min) + " is above " +
                          number("spare_max", settings.spare_max) + "; it must not be");
    if (settings.workers_start > settings.workers_max && given("workers_start"))
        reject(place, number("workers_start", settings.workers_start) + " is above " +
                          number("workers_max", settings.workers_max) + "; it must not be");
    limits.workers_start = std::min(settings.workers_start, settings.workers_max);
    limits.spare_min = settings.spare_min;
    limits.spare_max = settings.spare_max;
    limits.workers_max = settings.workers_max;
    return limits;
}

/// One of two words; whether it is the first.
bool is_first(std::string_view key, const std::string& value, std::array<std::string_view, 2> words,
              std::string_view place) {
    if (value != words[0] && value != words[1])
        reject(place, no_such(key, value, {words.begin(), words.end()}));
    return value == words[0];
}

/// What only some models know.
void set_model_options(PoolOptions& pool, const PoolSettings& settings, std::string_view place,
                       std::string (*spell)(std::string_view)) {
    const auto only_for = [&](std::string_view key, bool fits, const std::string& which) {
        if (!fits)
            reject(place,
                   spell(key) + " goes with " + which + ", not with model " + std::string{pool.model.name});
    };
    const Model& model = pool.model;
    const PoolSettings defaults;
    only_for("threads", model.takes_threads || settings.threads == defaults.threads, "model prefork");
    only_for("capacity", model.multiplexes || settings.capacity == defaults.capacity,
             "models event and prefork-event");
    only_for("accept_lock", model.locks_accept || settings.accept_lock == defaults.accept_lock,
             "model prefork-lock");
    pool.threads = settings.threads;
    pool.capacity = settings.capacity;
    pool.queue_ahead = settings.queue_ahead;
    const bool mutex = is_first("accept_lock", settings.accept_lock, {"mutex", "file"}, place);
    pool.accept_lock = mutex ? AcceptLockKind::mutex : AcceptLockKind::file;
}

}  // namespace

template <typename Owner>
std::string Setting<Owner>::flag() const {
    return spell_as_flag(key);
}

std::string spell_as_flag(std::string_view key) {
    std::string flag = "--" + std::string{key};
    std::replace(flag.begin(), flag.end(), '_', '-');
    return flag;
}

std::string spell_as_key(std::string_view key) {
    return std::string{key};
}

const std::vector<Setting<PoolSettings>>& pool_settings() {
    using P = PoolSettings;
    static const std::vector<Setting<P>> table = {
        {"service", &P::service, "SERVICE", "what is served: http, echo, work or exec"},
        {"program", &P::program, "ARG", "what exec executes for each client, and its arguments"},
        {"listen", &P::listen, "ADDR", "HOST:PORT, [V6]:PORT or unix:/path; may be repeated"},
        {"model", &P::model, "MODEL", "the design: prefork, or see bullpen models"},
        {"root", &P::root, "DIR", "the directory whose files http serves"},
        {"file_cache", &P::file_cache, "S", "seconds for which http trusts a file it keeps", 0, 86'400},
        {"workers", &P::workers, "N", "a pool of fixed size", 1, workers_most},
        {"workers_start", &P::workers_start, "N", "workers at the start", 0, workers_most},
        {"spare_min", &P::spare_min, "N", "fewer idle workers than this: start some", 1, workers_most},
        {"spare_max", &P::spare_max, "N", "more idle workers than this for a while: retire some", 1,
         workers_most},
        {"workers_max", &P::workers_max, "N", "never more workers than this", 1, workers_most},
        {"spawn_burst_max", &P::spawn_burst_max, "N", "where the growing ramp 1, 2, 4 ... ends", 1, 1024},
        {"shrink_window", &P::shrink_window, "S", "seconds a worker must have been idle to be retired", 1,
         86'400},
        {"backlog", &P::backlog, "N", "clients the kernel may queue (see net.core.somaxconn)", 1, 65'535},
        {"unix_mode", &P::unix_mode, "MODE", "permission bits of a UNIX socket's file"},
        {"scheduling", &P::scheduling, "POLICY", "of the workers: batch (the default) or normal"},
        {"threads", &P::threads, "T", "prefork: workers in each process, a thread each", 1, 1024},
        {"capacity", &P::capacity, "C", "event models: connections that a worker serves at once", 1,
         1'000'000},
        {"queue_ahead", &P::queue_ahead, "N", "clients queued at a busy worker when none is idle", 0, 16},
        {"accept_lock", &P::accept_lock, "LOCK", "prefork-lock: mutex (the default) or file"},
        {"defer_accept", &P::defer_accept, "S", "TCP_DEFER_ACCEPT in seconds; 0 is off", 0, 3600},
        {"allow", &P::allow, "CIDR[@ADDR]", "only these clients, of one listener; may be repeated"},
        {"deny", &P::deny, "CIDR[@ADDR]", "not these clients, even if allowed; may be repeated"},
        {"trusted_proxies", &P::trusted_proxies, "CIDR", "free of the limits of a source; may be repeated"},
        {"source_connections", &P::source_connections, "N", "connections of a source at once; 0: any number",
         0, 1'000'000},
        {"source_rate", &P::source_rate, "N", "new connections of a source a second; 0: any number", 0,
         1'000'000},
        {"source_prefix", &P::source_prefix, "V4:V6", "bits of an address that make a source (32:64)"},
        {"source_ban", &P::source_ban, "S", "seconds without a source that keeps trying; 0: off", 0, 86'400},
        {"source_ban_after", &P::source_ban_after, "N", "with so many refusals within 10 s (5)", 1,
         1'000'000},
        {"startups", &P::startups, "B:R:F", "B to F clients unserved: drop R to 100 % of new ones"},
        {"handoff_when", &P::handoff_when, "WHEN", "a worker gets a new client: at accept or once readable"},
        {"linger", &P::linger, "MS", "a worker may await the next request itself (4)", 0, 1000},
        {"idle_timeout", &P::idle_timeout, "S", "for a client that says nothing between requests", 1, day},
        {"header_timeout", &P::header_timeout, "S", "from the first byte of a head to its last", 1, day},
        {"body_timeout", &P::body_timeout, "S", "for a body; each body_rate bytes earn a second", 1, day},
        {"body_rate", &P::body_rate, "N", "bytes a second (500); 0: any progress will do", 0, rate_most},
        {"read_timeout", &P::read_timeout, "S", "for a client that falls silent in a conversation", 1, day},
        {"write_timeout", &P::write_timeout, "S", "for an answer; write_rate bytes earn a second", 1, day},
        {"write_rate", &P::write_rate, "N", "bytes a second (500); 0: any progress will do", 0, rate_most},
        {"request_timeout", &P::request_timeout, "S", "then a request's worker is told to stop; 0: never", 0,
         day},
        {"request_grace", &P::request_grace, "S", "and, after this, it is killed", 0, day},
        {"stopped_timeout", &P::stopped_timeout, "S", "a worker stopped for so long (SIGSTOP) is killed (10)",
         1, day},
        {"queue", &P::queue, "N", "clients that wait in the master; 0: in the backlog", 0, 1'000'000},
        {"queue_timeout", &P::queue_timeout, "MS", "the longest of that wait; then the client is refused", 1,
         3'600'000},
        {"connections_max", &P::connections_max, "N", "open at once; 0: what RLIMIT_NOFILE has room for", 0,
         10'000'000},
    };
    return table;
}

const std::vector<Setting<MasterSettings>>& master_settings() {
    using M = MasterSettings;
    static const std::vector<Setting<M>> table = {
        {"name", &M::name, "NAME", "the server's name, and its pool's in logs and metrics"},
        {"metrics", &M::metrics, "ADDR", "where Prometheus may scrape, or off"},
        {"drain_timeout", &M::drain_timeout, "S", "the longest that an orderly stop may take", 0, 86'400},
    };
    return table;
}

template <typename Owner>
void set_number(Owner& owner, const Setting<Owner>& setting, long long value, std::string_view place) {
    if (value < setting.least || value > setting.most) reject_number(setting, std::to_string(value), place);
    owner.*std::get<int Owner::*>(setting.field) = static_cast<int>(value);
    note_given(owner, setting.key);
}

template <typename Owner>
void set_from_text(Owner& owner, const Setting<Owner>& setting, const std::vector<std::string>& values,
                   std::string_view place) {
    if (setting.is_number()) {
        const std::optional<long long> value = to_number(values.back());
        if (!value) reject_number(setting, "'" + values.back() + "'", place);
        set_number(owner, setting, *value, place);
        return;
    }
    for (const std::string& value : values)
        if (value.empty() && setting.key != "program")  // An argument may be empty.
            reject(place, "expected " + std::string{setting.argument} + ", got nothing");
    if (setting.is_list())
        owner.*std::get<std::vector<std::string> Owner::*>(setting.field) = values;
    else
        owner.*std::get<std::string Owner::*>(setting.field) = values.back();
    note_given(owner, setting.key);
}

template struct Setting<PoolSettings>;
template struct Setting<MasterSettings>;
template void set_number(PoolSettings&, const Setting<PoolSettings>&, long long, std::string_view);
template void set_number(MasterSettings&, const Setting<MasterSettings>&, long long, std::string_view);
template void set_from_text(PoolSettings&, const Setting<PoolSettings>&, const std::vector<std::string>&,
                            std::string_view);
template void set_from_text(MasterSettings&, const Setting<MasterSettings>&, const std::vector<std::string>&,
                            std::string_view);

PoolOptions make_pool(const std::string& name, const PoolSettings& settings, std::string_view place,
                      std::string (*spell)(std::string_view key)) {
    const Service& service = choose("service", settings.service, services(), place);
    PoolOptions pool;
    pool.name = name;
    if (!settings.program.empty() && service.name != "exec")
        reject(place,
               "unexpected argument '" + settings.program.front() + "': only service exec starts a program");
    const bool only_a_program = service.make == nullptr && service.make_async == nullptr;
    const bool by_default = only_a_program && !settings.given.contains("model");
    pool.model = choose("model", by_default ? "inetd" : settings.model, models(), place);
    pool.limits = make_limits(settings, place, spell);
    pool.listen = settings.listen;
    pool.shrink_window = std::chrono::seconds{settings.shrink_window};
    pool.listen_options.backlog = settings.backlog;
    pool.listen_options.unix_mode = to_mode(settings.unix_mode, place);
    pool.listen_options.defer_accept = std::chrono::seconds{settings.defer_accept};
    pool.batch_workers = is_first("scheduling", settings.scheduling, {"batch", "normal"}, place);
    set_model_options(pool, settings, place, spell);
    pool.admission = make_admission(settings, pool.model, place, spell);
    const ServiceOptions options{
        .root = settings.root, .file_cache = settings.file_cache, .program = settings.program};
    if (const std::string lacking = set_form(pool, service, options); !lacking.empty())
        reject(place, lacking);
    set_limits(pool, settings, place, spell);
    return pool;
}

}  // namespace bullpen
