#include "servers/cli/inetd.hpp"

#include <algorithm>
#include <array>
#include <string>
#include <utility>
#include <vector>

#include "core/log.hpp"
#include "core/printable.hpp"
#include "core/process.hpp"
#include "core/write_now.hpp"
#include "pool/inheritance.hpp"
#include "pool/keeper.hpp"
#include "servers/cli/output.hpp"
#include "servers/exit_status.hpp"
#include "servers/inetd/inetd_conf.hpp"
#include "servers/inetd/inetd_pools.hpp"
#include "servers/inetd/services_file.hpp"
#include "servers/running_server.hpp"
#include "servers/settings/config_file.hpp"

namespace bullpen {
namespace {

/// What flags may say of all pools.
const std::vector<Setting<PoolSettings>>& line_settings() {
    static const std::vector<Setting<PoolSettings>> table = [] {
        constexpr std::array keys = {"workers_start", "spare_min",          "spare_max",   "workers_max",
                                     "backlog",       "request_timeout",    "allow",       "deny",
                                     "source_rate",   "source_connections", "metrics_kib", "unix_mode",
                                     "request_grace"};
        std::vector<Setting<PoolSettings>> chosen;
        for (const Setting<PoolSettings>& setting : pool_settings())
            if (std::find(keys.begin(), keys.end(), setting.key) != keys.end()) chosen.push_back(setting);
        return chosen;
    }();
    return table;
}

InetdTerms terms_of(const InetdArguments& arguments) {
    InetdTerms terms{.listen_fds = arguments.listen_fds, .home = arguments.home};
    terms.pool.pool.limits.workers_start = 1;
    terms.pool.pool.limits.spare_min = 1;
    terms.pool.pool.limits.spare_max = 3;
    apply_flags(terms.pool, line_settings(), arguments.pool);
    return terms;
}

std::string place_of(const std::string& file, const InetdComplaint& complaint) {
    return printable(file) + ":" + std::to_string(complaint.line) + ": " +
           (complaint.is_warning ? "warning: " : "") + complaint.field + ": ";
}

/// Throws what is wrong first, and how much more is.
void need_right_lines(const InetdPools& made, const std::string& file) {
    const auto is_wrong = [](const InetdComplaint& complaint) { return !complaint.is_warning; };
    const auto first = std::find_if(made.complaints.begin(), made.complaints.end(), is_wrong);
    if (first != made.complaints.end()) {
        const auto wrong = std::count_if(made.complaints.begin(), made.complaints.end(), is_wrong);
        throw SettingError{
            place_of(file, *first) + first->sentence +
            (wrong > 1 ? "; " + std::to_string(wrong - 1) + " more: bullpen inetd --check" : "")};
    }
    if (made.services.empty())
        throw SettingError{printable(file) + ": there is no service in it; expected at least one line"};
}

ServerOptions make_server(const InetdArguments& arguments, const std::string& text) {
    const InetdConf conf = parse_inetd_conf(text, port_in_services_file);
    InetdPools made = make_inetd_pools(conf, terms_of(arguments));
    need_right_lines(made, arguments.file);
    ServerOptions server;
    MasterSettings& master = server;
    master.name = "inetd";
    apply_flags(master, master_settings(), arguments.master);
    for (InetdService& service : made.services)
        for (PoolOptions& pool : service.pools)
            server.pools.push_back(std::move(pool));
    return server;
}

void announce(const std::string& line) {
    write_now(STDOUT_FILENO, "bullpen: " + printable(line) + "\n");
}

void announce(const RunningServer& server) {
    for (const Pool& pool : server.pools())
        for (const Listener& listener : pool.listeners())
            announce("serving " + pool.options().name + " at " + listener.address().text());
    for (const Listener& listener : server.metrics())
        announce("metrics at http://" + listener.address().text() + "/metrics");
    announce("ready, stop it with Ctrl-C or SIGTERM");
}

std::string joined(const std::vector<std::string>& words, const char* between) {
    std::string all;
    for (const std::string& word : words)
        all += (all.empty() ? "" : between) + printable(word);
    return all;
}

std::string describe(const InetdService& service) {
    const InetdEntry& entry = *service.entry;
    std::vector<std::string> listeners;
    for (const PoolOptions& pool : service.pools)
        listeners.insert(listeners.end(), pool.listen.begin(), pool.listen.end());
    std::string text = "line " + std::to_string(entry.line) + ": " + service.pools.front().name + " on " +
                       joined(listeners, ", ") + "\n    ";
    if (entry.internal) return text + "answered by bullpen itself\n";
    text += entry.waits ? "wait, " : "nowait, ";
    text += "user " + printable(entry.user) + (entry.group.empty() ? "" : ":" + printable(entry.group)) +
            ": " + printable(entry.program);
    for (auto argument = entry.arguments.begin() + 1; argument != entry.arguments.end(); ++argument)
        text += " " + printable(*argument);
    return text + "\n";
}

}  // namespace

void declare_inetd(CLI::App& program, InetdArguments& arguments, std::function<int()>& chosen) {
    CLI::App& inetd = *program.add_subcommand("inetd", "Serve what inetd.conf says: a pool for each line");
    inetd.add_option("FILE", arguments.file, "the lines (/etc/inetd.conf)")->type_name("");
    inetd.add_flag("--check", arguments.check, "say what each line comes to, or what is wrong");
    inetd.add_flag("--listen-fds", arguments.listen_fds,
                   "programs get their socket as systemd passes it (3)");
    inetd.add_flag("--home", arguments.home, "programs get HOME, their user's");
    declare_flags(inetd, line_settings(), arguments.pool);
    declare_flags(inetd, master_settings(), arguments.master);
    inetd.footer(
        "A line: service type protocol wait|nowait[.MAX[:PER_SOURCE]] user[:group]\n"
        "program argv..., as openbsd-inetd and inetutils read it. SIGHUP reads it again.\n"
        "\n"
        "Exit status: 0, 1 if it could not start, 2 wrong usage or a wrong line, 3 if the\n"
        "stop lost connections.");
    inetd.callback(
        [&] { chosen = [&] { return arguments.check ? check_inetd(arguments) : run_inetd(arguments); }; });
}

int run_inetd(const InetdArguments& arguments) {
    ServerOptions options = make_server(arguments, text_of_config_file(arguments.file));
    const std::array kept = {channel_to_predecessor(), descriptor_of_log(options.log.to)};
    close_all_except(kept);
    options.read_again = [&] { return text_of_config_file(arguments.file); };
    options.make_again = [&](const std::string& text) { return make_server(arguments, text); };
    Keeper::hold_signals();
    RunningServer server{std::move(options)};
    return server.run([&] { announce(server); });
}

int check_inetd(const InetdArguments& arguments) {
    const std::string text = text_of_config_file(arguments.file);
    const InetdConf conf = parse_inetd_conf(text, port_in_services_file);
    const InetdPools made = make_inetd_pools(conf, terms_of(arguments));
    std::string answer;
    for (const InetdService& service : made.services)
        answer += describe(service);
    print(answer);
    bool right = true;
    for (const InetdComplaint& complaint : made.complaints) {
        complain(place_of(arguments.file, complaint) + complaint.sentence);
        right = right && complaint.is_warning;
    }
    if (right) need_right_lines(made, arguments.file);
    return right ? 0 : 2;
}

}  // namespace bullpen
