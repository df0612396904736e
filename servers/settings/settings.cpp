#include "servers/settings/settings.hpp"

#include <algorithm>
#include <array>

#include "core/enumerate.hpp"
#include "core/printable.hpp"
#include "core/resolve.hpp"
#include "core/utf8.hpp"
#include "servers/models/models.hpp"
#include "servers/settings/setting_value.hpp"

namespace bullpen {
namespace {

constexpr int workers_most = 10'000;
constexpr int day = 86'400;               // In seconds.
constexpr int rate_most = 1'000'000'000;  // Bytes a second.
constexpr int hour_ms = 3'600'000;

template <typename Which>
std::string models_that(Which which) {
    std::vector<std::string_view> names;
    for (const Model& model : models())
        if (which(model)) names.push_back(model.name);
    return "models " + enumerate(names);
}

std::string goes_with(const std::string& spelled, const std::string& which, const Model& model) {
    return spelled + " goes with " + which + ", not with model " + std::string{model.name} +
           (model.form == Form::datagram ? " over datagrams" : "");
}

constexpr Fit takes_threads{[](const Model& model) { return model.takes_threads; },
                            [](const std::string& spelled, const Model& model) {
                                return goes_with(spelled, "model prefork", model);
                            }};
constexpr Fit multiplexes{[](const Model& model) { return model.multiplexes; },
                          [](const std::string& spelled, const Model& model) {
                              const auto fit = [](const Model& other) { return other.multiplexes; };
                              return goes_with(spelled, models_that(fit), model);
                          }};
constexpr Fit locks_accept{[](const Model& model) { return model.locks_accept; },
                           [](const std::string& spelled, const Model& model) {
                               return goes_with(spelled, "model prefork-lock", model);
                           }};
constexpr Fit parks{[](const Model& model) { return model.parks(); },
                    [](const std::string& spelled, const Model& model) {
                        return goes_with(spelled, "model prefork, whose workers give connections back",
                                         model);
                    }};
constexpr Fit accepts{[](const Model& model) { return model.master_accepts(); },
                      [](const std::string& spelled, const Model& model) {
                          const auto fit = [](const Model& other) { return other.master_accepts(); };
                          return goes_with(spelled, models_that(fit) + ", whose master accepts", model);
                      }};
/// Who gets in is decided by the master, or by workers of datagrams.
constexpr Fit admits{
    [](const Model& model) { return model.master_accepts() || model.form == Form::datagram; },
    accepts.complaint};
constexpr Fit receives{[](const Model& model) { return model.form == Form::datagram; },
                       [](const std::string& spelled, const Model&) {
                           return spelled +
                                  " needs a listener for datagrams (udp:HOST:PORT); the pool's are "
                                  "for connections";
                       }};
constexpr Fit one_at_a_time{
    [](const Model& model) { return !model.multiplexes; },
    [](const std::string& spelled, const Model& model) {
        return spelled + " needs a model whose workers serve one client at a time, not " +
               std::string{model.name} + ": the master can't tell which of them has ended";
    }};
constexpr Fit limits_requests{[](const Model& model) { return model.limits_requests(); },
                              [](const std::string& spelled, const Model& model) {
                                  return spelled + " doesn't go with model " + std::string{model.name} +
                                         ": the process that it would end serves other clients, too";
                              }};

/// The member at the end of a path of members.
template <auto... path>
auto& at(PoolSettings& settings) {
    return (settings.*....*path);
}

void check_texts(std::string_view key, const std::vector<std::string>& texts) {
    if (key == "log")
        if (const std::string wrong = log_complaint(texts.back()); !wrong.empty())
            throw std::invalid_argument{wrong};
    if (key != "listen" && key != "metrics") return;
    for (const std::string& text : texts)
        if (key != "metrics" || text != "off") check_address(text);
}

template <typename Owner>
void store(Owner& owner, const Setting<Owner>& setting, const std::vector<std::string>& texts,
           std::string_view place) {
    try {
        set_value(owner, setting, texts);
        check_texts(setting.key, texts);
    } catch (const std::invalid_argument& error) {
        throw SettingError{(place.empty() ? "" : std::string{place} + ": ") + error.what()};
    }
}

/// The rows for the services follow that of the model.
std::vector<Setting<PoolSettings>> with_service_settings(std::vector<Setting<PoolSettings>> rows) {
    const auto model =
        std::find_if(rows.begin(), rows.end(), [](const auto& row) { return row.key == "model"; });
    rows.insert(model + 1, service_settings().begin(), service_settings().end());
    return rows;
}

}  // namespace

std::string spell_as_flag(std::string_view key) {
    std::string flag = "--" + std::string{key};
    std::replace(flag.begin(), flag.end(), '_', '-');
    return flag;
}

std::string spell_as_key(std::string_view key) {
    return std::string{key};
}

template <typename Owner>
std::string Setting<Owner>::flag() const {
    return spell_as_flag(key);
}

template <typename Owner>
bool Setting<Owner>::is_number() const noexcept {
    return std::holds_alternative<Member<int>>(field) || std::holds_alternative<Member<std::size_t>>(field) ||
           std::holds_alternative<Member<std::chrono::milliseconds>>(field) ||
           std::holds_alternative<Member<std::chrono::seconds>>(field);
}

template <typename Owner>
bool Setting<Owner>::is_list() const noexcept {
    return std::holds_alternative<Member<std::vector<std::string>>>(field) ||
           std::holds_alternative<Member<std::vector<AdmissionRule>>>(field) ||
           std::holds_alternative<Member<std::vector<LocalRule>>>(field) ||
           std::holds_alternative<Member<std::vector<Network>>>(field) ||
           std::holds_alternative<Member<std::vector<http::AddedHeader>>>(field) ||
           std::holds_alternative<Member<std::vector<http::ErrorPage>>>(field);
}

template struct Setting<PoolSettings>;
template struct Setting<MasterSettings>;

const std::vector<Setting<PoolSettings>>& service_settings() {
    using P = PoolSettings;
    using S = ServiceOptions;
    constexpr auto service = &P::of_service;
    static const std::vector<Setting<P>> table = {
        {"root", at<service, &S::root>, "DIR", "the directory whose files http serves"},
        {"file_cache", at<service, &S::file_cache>, "S", "how long http trusts a file that it keeps", 0, day},
        {"links", at<service, &S::links>, "WHICH", "symlinks http follows: below the root, or none"},
        {"charset", at<service, &S::charset>, "NAME", "of text but HTML, XML and JSON; or off"},
        {"types",
         at<service, &S::types>,
         "FILE",
         "more media types, in the form of mime.types",
         0,
         0,
         {},
         R"("/etc/mime.types")"},
        {"add_header",
         at<service, &S::add_header>,
         "HEADER",
         "[PATTERN ]NAME: VALUE, if below 400; repeatable",
         0,
         0,
         {},
         R"(["X-Frame-Options: DENY", "*.css Cache-Control: max-age=3600"])"},
        {"error_page",
         at<service, &S::error_page>,
         "CODE=FILE",
         "a file below the root for a status; repeatable",
         0,
         0,
         {},
         R"(["404=404.html"])"},
        {"fallback",
         at<service, &S::fallback>,
         "FILE",
         "a file below the root, served instead of 404",
         0,
         0,
         {},
         R"("index.html")"},
        {"precompressed", at<service, &S::precompressed>, "LIST",
         "which of br,zst,gz lie beside files; or off"},
        {"quotes",
         at<service, &S::quotes>,
         "FILE",
         "quotes for qotd, % between them (fortune(6))",
         0,
         0,
         {},
         R"("/usr/share/games/fortunes/fortunes")"},
        {"command_user",
         at<service, &S::command_user>,
         "USER",
         "remote-command: whom commands run as",
         0,
         0,
         {},
         R"("nobody")"},
        {"command_shell", at<service, &S::command_shell>, "SHELL", "remote-command: what reads them; or off"},
        {"command_timeout", at<service, &S::command_timeout>, "S", "remote-command: time for one", 1, day},
        {"command_output", at<service, &S::command_output>, "KIB", "remote-command: output of one", 1,
         1 << 30},
        {"command_memory", at<service, &S::command_memory>, "MIB", "remote-command: memory of a process", 1,
         1 << 30},
    };
    return table;
}

const std::vector<Setting<PoolSettings>>& pool_settings() {
    using P = PoolSettings;
    using O = PoolOptions;
    using L = PoolLimits;
    using T = TimeLimits;
    using S = ServiceOptions;
    constexpr auto pool = &P::pool;
    constexpr auto limits = &O::limits;
    constexpr auto listening = &O::listen_options;
    constexpr auto times = &O::time_limits;
    constexpr auto admission = &O::admission;
    constexpr auto sources = &AdmissionOptions::sources;
    static const std::vector<Setting<P>> table = with_service_settings({
        {"service", at<&P::service>, "SERVICE", "what is served, see bullpen serve --help"},
        {"program",
         at<&P::of_service, &S::program>,
         "ARG",
         "what exec executes for each client, and its arguments",
         0,
         0,
         {},
         R"(["/bin/cat", "-u"])"},
        {"listen", at<pool, &O::listen>, "ADDR", "HOST:PORT, unix:/path ...; repeatable"},
        {"model", at<pool, &O::model>, "MODEL", "the design, see bullpen models"},
        {"workers",
         at<&P::workers>,
         "N",
         "a pool of this fixed size; 0: of changing size",
         1,
         workers_most,
         {},
         "8"},
        {"workers_start", at<pool, limits, &L::workers_start>, "N", "workers at the start", 0, workers_most},
        {"spare_min", at<pool, limits, &L::spare_min>, "N", "fewer idle workers than this: start some", 1,
         workers_most},
        {"spare_max", at<pool, limits, &L::spare_max>, "N", "more idle workers for a while: retire some", 1,
         workers_most},
        {"workers_max", at<pool, limits, &L::workers_max>, "N", "never more workers than this", 1,
         workers_most},
        {"spawn_burst_max", at<pool, limits, &L::spawn_burst_max>, "N", "where the ramp 1, 2, 4 ... ends", 1,
         1024},
        {"shrink_window", at<pool, &O::shrink_window>, "S", "idle time before a worker is retired", 1, day},

        {"backlog", at<pool, listening, &ListenOptions::backlog>, "N", "clients the kernel may queue", 1,
         65'535},
        {"unix_mode", at<pool, listening, &ListenOptions::unix_mode>, "MODE",
         "permission bits of a UNIX socket's file"},
        {"scheduling", at<pool, &O::scheduling>, "POLICY", "policy of the workers: batch or normal"},
        {"threads",
         at<pool, &O::threads>,
         "T",
         "prefork: threads in each process",
         1,
         1024,
         {&takes_threads}},
        {"capacity",
         at<pool, &O::capacity>,
         "C",
         "connections of a worker that serves many",
         1,
         1'000'000,
         {&multiplexes}},
        {"metrics_kib", at<pool, &O::metrics_kib>, "KIB", "memory for own metrics in a worker", 0, 4096},
        {"queue_ahead", at<pool, &O::queue_ahead>, "N", "prefork: clients queued at a busy worker", 0, 16},
        {"accept_lock",
         at<pool, &O::accept_lock>,
         "LOCK",
         "prefork-lock: mutex or file",
         0,
         0,
         {&locks_accept}},
        {"connected",
         at<pool, &O::connected>,
         "N",
         "UDP: busy peers of a worker with own sockets",
         0,
         1000,
         {&receives}},
        {"defer_accept", at<pool, listening, &ListenOptions::defer_accept>, "S", "TCP_DEFER_ACCEPT; 0: off",
         0, 3600},
        {"oob", at<pool, &O::oob>, "HOW", "TCP's urgent data: off, inline or discard"},

        {"allow",
         at<pool, admission, &AdmissionOptions::allow>,
         "CIDR[@ADDR]",
         "only these clients (of ADDR); repeatable",
         0,
         0,
         {&admits},
         R"(["10.0.0.0/8", "::1@[::1]:8080"])"},
        {"deny",
         at<pool, admission, &AdmissionOptions::deny>,
         "CIDR[@ADDR]",
         "not these clients, even if allowed; repeatable",
         0,
         0,
         {&admits},
         R"(["10.6.6.0/24"])"},
        {"allow_uid",
         at<pool, admission, &AdmissionOptions::allow_uid>,
         "USER[@ADDR]",
         "UNIX: only these users, by name or uid",
         0,
         0,
         {&accepts},
         R"(["www-data", "0@unix:/run/web"])"},
        {"allow_gid",
         at<pool, admission, &AdmissionOptions::allow_gid>,
         "GROUP[@ADDR]",
         "UNIX: only these groups, by name or gid",
         0,
         0,
         {&accepts},
         R"(["www-data"])"},
        {"trusted_proxies",
         at<pool, admission, sources, &SourceOptions::trusted>,
         "CIDR",
         "clients free of a source's limits; repeatable",
         0,
         0,
         {&admits},
         R"(["10.0.0.7"])"},
        {"source_connections",
         at<pool, admission, sources, &SourceOptions::connections_max>,
         "N",
         "connections of a source at once; 0: any number",
         0,
         1'000'000,
         {&accepts, &one_at_a_time}},
        {"source_rate",
         at<pool, admission, sources, &SourceOptions::rate_max>,
         "N",
         "new connections of a source a second; 0: any",
         0,
         1'000'000,
         {&admits, &one_at_a_time}},
        {"source_prefix",
         at<pool, admission, sources, &SourceOptions::prefix>,
         "V4:V6",
         "bits of the address that make a source",
         0,
         0,
         {&admits}},
        {"source_ban",
         at<pool, admission, sources, &SourceOptions::ban>,
         "S",
         "ban of a source that is refused often; 0: off",
         0,
         day,
         {&admits}},
        {"source_ban_after",
         at<pool, admission, sources, &SourceOptions::ban_after>,
         "N",
         "refusals within 10 s that lead to a ban",
         1,
         1'000'000,
         {&admits}},
        {"startups",
         at<pool, admission, &AdmissionOptions::early_drop>,
         "B:R:F",
         "B to F unserved: drop R to 100 % of new; 0: off",
         0,
         0,
         {&accepts}},

        {"handoff_when",
         at<pool, &O::handoff_when>,
         "WHEN",
         "accepted or readable, as http does",
         0,
         0,
         {&accepts},
         R"("readable")"},
        {"await_next",
         at<pool, &O::await_next>,
         "MS",
         "prefork: a worker's wait for the next request",
         0,
         1000,
         {&parks}},

        {"idle_timeout", at<pool, times, &T::idle>, "S", "longest silence before and between requests", 1,
         day},
        {"header_timeout", at<pool, times, &T::header>, "S", "time from a head's first byte to its last", 1,
         day},
        {"body_timeout", at<pool, times, &T::body>, "S", "time for a body; body_rate bytes earn 1 s", 1, day},
        {"body_rate", at<pool, times, &T::body_rate>, "N", "bytes a second; 0: any progress will do", 0,
         rate_most},
        {"read_timeout", at<pool, times, &T::read>, "S", "longest silence within a conversation", 1, day},
        {"write_timeout", at<pool, times, &T::write>, "S", "time for an answer; write_rate bytes earn 1 s", 1,
         day},
        {"write_rate", at<pool, times, &T::write_rate>, "N", "bytes a second; 0: any progress will do", 0,
         rate_most},
        {"linger_timeout", at<pool, times, &T::linger>, "S", "longest silence of an upload that was answered",
         1, day},
        {"linger_total", at<pool, times, &T::linger_total>, "S",
         "time for the rest of an upload that was answered", 1, day},
        {"request_timeout",
         at<pool, &O::request_timeout>,
         "S",
         "longest time for a request; 0: no limit",
         0,
         day,
         {&limits_requests}},
        {"request_grace", at<pool, &O::request_grace>, "S", "time from request_timeout to SIGKILL", 0, day},
        {"stopped_timeout", at<pool, &O::stopped_timeout>, "S",
         "time until a stopped (SIGSTOP) worker is killed", 1, day},
        {"retry_crashed",
         at<pool, &O::retry_crashed>,
         "N",
         "more workers for a request one crashed on; http 1",
         0,
         10,
         {&accepts},
         "1"},

        {"queue",
         at<pool, &O::queue>,
         "N",
         "clients that wait in the master; 0: in the backlog",
         0,
         1'000'000,
         {&accepts}},
        {"queue_timeout", at<pool, &O::queue_timeout>, "MS", "longest wait in that queue; then a refusal", 1,
         hour_ms},
        {"connections_max",
         at<pool, &O::connections_max>,
         "N",
         "connections at once; 0: as RLIMIT_NOFILE allows",
         0,
         10'000'000,
         {&accepts}},
    });
    return table;
}

std::string name_complaint(const std::string& name) {
    if (!name.empty() && is_utf8(name) && printable(name) == name) return {};
    return "expected UTF-8 text without control bytes, got '" + printable(to_utf8(name)) + "'";
}

std::string_view new_name_of(std::string_view key) noexcept {
    return key == "linger" ? "await_next" : std::string_view{};
}

void set_from_text(PoolSettings& settings, const Setting<PoolSettings>& setting,
                   const std::vector<std::string>& texts, std::string_view place) {
    store(settings, setting, texts, place);
    settings.given.emplace(setting.key);
}

void set_from_text(MasterSettings& settings, const Setting<MasterSettings>& setting,
                   const std::vector<std::string>& texts, std::string_view place) {
    store(settings, setting, texts, place);
}

}  // namespace bullpen
