#include "servers/settings/make_pool.hpp"

#include <sys/select.h>
#include <sys/stat.h>

#include <algorithm>
#include <array>

#include "core/datagram_metrics.hpp"
#include "core/enumerate.hpp"
#include "core/printable.hpp"
#include "core/resolve.hpp"
#include "core/urgent_data.hpp"
#include "servers/models/models.hpp"
#include "servers/services/form.hpp"
#include "servers/services/option_error.hpp"
#include "servers/settings/nearest.hpp"
#include "servers/settings/setting_value.hpp"

namespace bullpen {
namespace {

/// For saying what is wrong with a setting.
struct Place {
    std::string_view text;
    std::string (*spell)(std::string_view);

    [[noreturn]] void reject(const std::string& sentence) const {
        throw SettingError{(text.empty() ? "" : std::string{text} + ": ") + sentence};
    }
};

template <typename Owner>
void check_number(const Setting<Owner>& setting, const Owner& owner, const Place& where) {
    try {
        check_range(setting, owner);
    } catch (const std::invalid_argument& error) {
        where.reject(where.spell(setting.key) + ": " + error.what());
    }
}

void check_limits(const PoolOptions& pool, const Place& where) {
    const PoolLimits& limits = pool.limits;
    if (limits.policy == SizingPolicy::fixed) return;
    const auto spelled = [&](std::string_view key, int value, int by_default) {
        return where.spell(key) + " (" + std::to_string(value) +
               (value == by_default ? ", the default)" : ")");
    };
    const PoolLimits usual;
    if (limits.spare_min > limits.spare_max)
        where.reject(spelled("spare_min", limits.spare_min, usual.spare_min) + " is above " +
                     spelled("spare_max", limits.spare_max, usual.spare_max) + "; it must not be");
    if (limits.workers_start > limits.workers_max && limits.workers_start != usual.workers_start)
        where.reject(spelled("workers_start", limits.workers_start, usual.workers_start) + " is above " +
                     spelled("workers_max", limits.workers_max, usual.workers_max) + "; it must not be");
}

bool is_unix(std::string_view listener) noexcept {
    return listener.starts_with("unix:") || listener.starts_with("seqpacket:") ||
           listener.starts_with("unixgram:");
}

void check_capacity(const PoolOptions& pool, const Place& where) {
    const int most = pool.design.capacity_most;
    if (most == 0 || pool.capacity <= most) return;
    where.reject(where.spell("capacity") + ": model " + pool.model + " can't watch descriptors above " +
                 std::to_string(FD_SETSIZE - 1) + " (FD_SETSIZE): expected at most " + std::to_string(most) +
                 " connections, got " + std::to_string(pool.capacity));
}

std::string names_of_datagram_models() {
    std::vector<std::string_view> names;
    for (const Model& model : models())
        if (model.work_datagrams != nullptr) names.push_back(model.name);
    return enumerate(names);
}

/// A pool's listeners are all for connections, or all for datagrams. Returns the model as it is for these.
Model design_for(const PoolOptions& pool, const Model& model, const Place& where) {
    const std::vector<std::string>& listen = pool.listen;
    const auto datagrams = std::find_if(listen.begin(), listen.end(), is_for_datagrams);
    const auto connections = std::find_if_not(listen.begin(), listen.end(), is_for_datagrams);
    if (datagrams == listen.end()) return model;
    const std::string first = where.spell("listen") + ": '" + printable(*datagrams) + "' is for datagrams";
    if (connections != listen.end())
        where.reject(first + " and '" + printable(*connections) +
                     "' for connections; a pool's listeners are all of one kind");
    if (model.work_datagrams == nullptr)
        where.reject(first + ", which model " + std::string{model.name} + " doesn't serve; expected " +
                     names_of_datagram_models());
    return for_datagrams(model);
}

/// A program that gets the listener knows which kind it is.
void check_kinds(const PoolOptions& pool, const Place& where) {
    const bool wanted = pool.design.form == Form::datagram;
    for (const std::string& listener : pool.listen)
        if (!pool.design.lends_listener && is_for_datagrams(listener) != wanted)
            where.reject(where.spell("listen") + ": '" + printable(listener) + "' is for " +
                         (wanted ? "connections" : "datagrams") + ", and model " + pool.model + " serves " +
                         (wanted ? "datagrams" : "connections"));
}

void check_connected(const PoolOptions& pool, const Place& where) {
    if (pool.connected > 0 && pool.design.receives_one)
        where.reject(where.spell("connected") + " doesn't go with model " + pool.model +
                     ", whose workers serve one datagram each");
    if (pool.connected > 0 && std::all_of(pool.listen.begin(), pool.listen.end(), is_unix))
        where.reject(
            where.spell("connected") +
            " needs a listener udp:HOST:PORT; a sender to a UNIX socket waits for room in its queue");
}

void check_rules(std::string_view key, const std::vector<AdmissionRule>& rules, const PoolOptions& pool,
                 const Place& where) {
    for (const AdmissionRule& rule : rules) {
        const std::string& wanted = rule.listener;
        if (wanted.empty()) continue;
        const std::vector<std::string>& known = pool.listen;
        if (std::find(known.begin(), known.end(), wanted) == known.end())
            where.reject(where.spell(key) + ": " + no_such("listener", wanted, {known.begin(), known.end()}));
        if (is_unix(wanted))
            where.reject(where.spell(key) + ": the clients of " + wanted +
                         " have no address; expected a TCP or UDP listener after the @");
    }
}

void check_rules(std::string_view key, const std::vector<LocalRule>& rules, const PoolOptions& pool,
                 const Place& where) {
    const std::vector<std::string>& known = pool.listen;
    for (const LocalRule& rule : rules) {
        const std::string& wanted = rule.listener;
        if (wanted.empty() && std::none_of(known.begin(), known.end(), is_unix))
            where.reject(where.spell(key) +
                         ": the pool has no UNIX listener, and the clients of others have " + "no user");
        if (wanted.empty()) continue;
        if (std::find(known.begin(), known.end(), wanted) == known.end())
            where.reject(where.spell(key) + ": " + no_such("listener", wanted, {known.begin(), known.end()}));
        if (!is_unix(wanted))
            where.reject(where.spell(key) + ": the clients of " + wanted +
                         " have no user; expected a UNIX listener after the @");
    }
}

void set_workers(PoolOptions& pool, const PoolSettings& settings, const Place& where) {
    if (settings.workers == 0) return;
    for (const char* other : {"workers_start", "spare_min", "spare_max", "workers_max"})
        if (settings.given.contains(other))
            where.reject(where.spell("workers") + " makes a pool of fixed size and can't go with " +
                         where.spell(other));
    pool.limits.policy = SizingPolicy::fixed;
    pool.limits.workers_max = pool.limits.workers_start = settings.workers;
}

/// What the service says itself, where the user doesn't.
void set_service(PoolOptions& pool, const PoolSettings& settings, const Service& service,
                 const Place& where) {
    const HandoffWhen chosen = pool.handoff_when;
    const int retries = pool.retry_crashed;
    try {
        if (const std::string lacking = set_form(pool, service, settings.of_service); !lacking.empty())
            where.reject(lacking);
    } catch (const OptionError& error) {
        where.reject(where.spell(error.key()) + ": " + error.what());
    }
    if (settings.given.contains("handoff_when")) pool.handoff_when = chosen;
    if (settings.given.contains("retry_crashed")) pool.retry_crashed = retries;
}

/// What workers are started with, besides all that is of a service; the others change in a pool that
/// is there, or in its master.
constexpr std::array of_workers = {"service",      "program",        "scheduling",   "await_next",
                                   "idle_timeout", "header_timeout", "body_timeout", "body_rate",
                                   "read_timeout", "write_timeout",  "write_rate",   "linger_timeout",
                                   "linger_total", "connected"};
/// The same where workers decide who gets in: in pools of datagrams.
constexpr std::array of_datagrams = {"allow",         "deny",       "trusted_proxies", "source_rate",
                                     "source_prefix", "source_ban", "source_ban_after"};
/// What can't change in a pool that is there.
constexpr std::array of_pool = {"model",       "threads",     "capacity", "queue_ahead",
                                "accept_lock", "metrics_kib", "oob"};

/// A directory that was put in the place of another has the same name. `changed` also tells a file whose
/// contents are others.
std::string identity_of(const std::string& path, bool changed) {
    struct stat found {};
    if (path.empty() || ::stat(path.c_str(), &found) != 0) return {};
    std::string identity = " (" + std::to_string(found.st_dev) + ":" + std::to_string(found.st_ino);
    if (changed)
        identity += " " + std::to_string(found.st_mtim.tv_sec) + "." + std::to_string(found.st_mtim.tv_nsec) +
                    " " + std::to_string(found.st_size);
    return identity + ")";
}

/// Sets PoolOptions::of_workers and of_pool.
void note_texts(PoolOptions& pool, PoolSettings settings) {
    settings.pool.model = pool.model;
    const auto is_in = [](const auto& keys, std::string_view key) {
        return std::find(keys.begin(), keys.end(), key) != keys.end();
    };
    for (const Setting<PoolSettings>& setting : service_settings()) {
        pool.of_workers.push_back({std::string{setting.key}, text_of(setting, settings)});
        std::string& text = pool.of_workers.back().text;
        if (setting.key == "root") text += identity_of(settings.of_service.root, false);
        if (setting.key == "types") text += identity_of(settings.of_service.types, true);
        if (setting.key == "quotes") text += identity_of(settings.of_service.quotes, true);
    }
    const bool datagrams = pool.design.form == Form::datagram;
    for (const Setting<PoolSettings>& setting : pool_settings()) {
        const SettingText text{std::string{setting.key}, text_of(setting, settings)};
        if (is_in(of_workers, setting.key) || (datagrams && is_in(of_datagrams, setting.key)))
            pool.of_workers.push_back(text);
        if (is_in(of_pool, setting.key)) pool.of_pool.push_back(text);
    }
}

}  // namespace

void check(const PoolOptions& pool, std::string_view place, std::string (*spell)(std::string_view key)) {
    const Place where{place, spell};
    PoolSettings settings;
    settings.pool = pool;
    settings.workers = 1;  // Is in the limits.
    for (const Setting<PoolSettings>& setting : pool_settings()) {
        check_number(setting, settings, where);
        for (const Fit* fit : setting.fits)
            if (fit != nullptr && !fit->fits(pool.design) &&
                text_of(setting, settings) != text_of(setting, PoolSettings{}))
                where.reject(fit->complaint(spell(setting.key), pool.design));
    }
    if (const std::string wrong = name_complaint(pool.name); !wrong.empty())
        where.reject(spell("name") + ": " + wrong);
    if (const std::string wrong = log_complaint(pool.log); !wrong.empty())
        where.reject(spell("log") + ": " + wrong);
    if (pool.listen.empty()) where.reject(spell("listen") + ": expected at least one address, got none");
    check_kinds(pool, where);
    check_capacity(pool, where);
    check_connected(pool, where);
    const MasterSettings master = master_settings_of(pool);
    for (const Setting<MasterSettings>& setting : master_settings())
        check_number(setting, master, where);
    check_limits(pool, where);
    check_rules("allow", pool.admission.allow, pool, where);
    check_rules("deny", pool.admission.deny, pool, where);
    check_rules("allow_uid", pool.admission.allow_uid, pool, where);
    check_rules("allow_gid", pool.admission.allow_gid, pool, where);
    const SourceOptions& sources = pool.admission.sources;
    if (sources.ban.count() > 0 && sources.connections_max == 0 && sources.rate_max == 0)
        where.reject(spell("source_ban") + " needs " + spell("source_connections") + " or " +
                     spell("source_rate") + ", whose refusals it counts");
}

PoolOptions make_pool(const std::string& name, const PoolSettings& settings, std::string_view place,
                      std::string (*spell)(std::string_view key)) {
    const Place where{place, spell};
    const Service& service = choose("service", settings.service, services(), place);
    const std::vector<std::string>& program = settings.of_service.program;
    if (!program.empty() && service.name != "exec")
        where.reject("unexpected argument '" + program.front() + "': only service exec starts a program");
    PoolOptions pool = settings.pool;
    pool.name = name;
    const bool only_a_program = service.make == nullptr && service.make_async == nullptr;
    if (only_a_program && !settings.given.contains("model")) pool.model = inetd.name;
    pool.design = design_for(pool, choose("model", pool.model, models(), place), where);
    set_workers(pool, settings, where);
    set_service(pool, settings, service, where);
    check(pool, place, spell);
    if (pool.oob != OutOfBand::off) define_urgent_metric();
    note_texts(pool, settings);
    return pool;
}

PoolOptions make_pool(const Options& options, Form form, std::string_view place) {
    static int made = 0;
    const Place where{place, spell_as_key};
    PoolOptions pool;
    static_cast<Options&>(pool) = options;
    pool.design = design_for(pool, choose("model", pool.model, models(), place), where);
    if ((pool.design.form == Form::datagram) != (form == Form::datagram))
        where.reject("listen: '" + printable(pool.listen.empty() ? "" : pool.listen.front()) + "' is for " +
                     (form == Form::datagram ? "connections, and the handler for datagrams"
                                             : "datagrams, and the handler for connections"));
    if (form == Form::datagram) define_datagram_metrics();
    if (pool.design.form != form) where.reject("model " + pool.model + " doesn't run this kind of handler");
    if (form == Form::program && (pool.on_worker_start || pool.on_worker_stop))
        where.reject("on_worker_start and on_worker_stop can't go with model " + pool.model +
                     ", whose workers are programs");
    check(pool, place, spell_as_key);
    if (pool.oob != OutOfBand::off) define_urgent_metric();
    note_texts(pool, PoolSettings{.pool = pool});
    pool.of_workers.push_back({"handler", std::to_string(++made)});
    return pool;
}

}  // namespace bullpen
