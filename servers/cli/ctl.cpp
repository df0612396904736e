#include "servers/cli/ctl.hpp"

#include <CLI/CLI.hpp>
#include <boost/json.hpp>
#include <chrono>
#include <exception>
#include <stdexcept>
#include <vector>

#include "pool/control_line.hpp"
#include "pool/master.hpp"
#include "servers/bench/text/number_text.hpp"
#include "servers/bench/text/text_table.hpp"
#include "servers/cli/named_server.hpp"
#include "servers/cli/output.hpp"
#include "servers/cli/server_answer.hpp"
#include "servers/control_socket.hpp"
#include "servers/exit_status.hpp"
#include "servers/settings/nearest.hpp"

namespace bullpen {
namespace {

namespace json = boost::json;

constexpr std::size_t screen_width = 80;

std::string text_at(const json::value& value, const char* key) {
    const json::value& found = value.as_object().at(key);
    return found.is_string() ? std::string{found.get_string().c_str()} : json::serialize(found);
}

/// "2 d 3 h", "3 h 12 min", "5 s"
std::string span_text(std::int64_t seconds) {
    struct Unit {
        std::int64_t seconds;
        const char* name;
    };
    static constexpr Unit units[] = {{86'400, "d"}, {3'600, "h"}, {60, "min"}, {1, "s"}};
    for (const Unit* unit = units; unit != std::end(units); ++unit) {
        if (seconds < unit->seconds && unit->seconds > 1) continue;
        std::string text = std::to_string(seconds / unit->seconds) + " " + unit->name;
        if (unit + 1 != std::end(units)) {
            const std::int64_t rest = seconds % unit->seconds / unit[1].seconds;
            if (rest > 0) text += " " + std::to_string(rest) + " " + unit[1].name;
        }
        return text;
    }
    return {};
}

std::string number_at(const json::value& pool, const char* pointer) {
    boost::system::error_code error;
    const json::value* const found = pool.find_pointer(pointer, error);
    return found == nullptr ? "-" : grouped(found->to_number<std::int64_t>());
}

std::string pool_table(const json::array& pools) {
    TextTable table{
        {"pool", "model", "idle", "busy", "start", "drain", "max", "open", "parked", "accepted", "lost"}};
    table.align_left(1);
    for (const json::value& pool : pools)
        table.add({text_at(pool, "name") + (pool.at("leaving") == true ? " (leaving)" : ""),
                   text_at(pool, "model"), number_at(pool, "/workers/idle"), number_at(pool, "/workers/busy"),
                   number_at(pool, "/workers/starting"), number_at(pool, "/workers/draining"),
                   number_at(pool, "/workers/max"), number_at(pool, "/connections/open"),
                   number_at(pool, "/connections/parked"), number_at(pool, "/connections/accepted"),
                   number_at(pool, "/connections/lost")});
    return table.text(screen_width);
}

std::string listener_table(const json::array& pools) {
    TextTable table{{"listener", "pool", "in the backlog", "of"}};
    table.align_left(1);
    for (const json::value& pool : pools)
        for (const json::value& listener : pool.as_object().at("listeners").as_array())
            table.add({text_at(listener, "address"), text_at(pool, "name"), number_at(listener, "/waiting"),
                       number_at(listener, "/backlog")});
    return table.text(screen_width);
}

std::optional<pid_t> keeper_of(std::string_view status) {
    boost::system::error_code error;
    const json::value answer = json::parse(json::string_view{status.data(), status.size()}, error);
    const json::value* const pid = error ? nullptr : answer.find_pointer("/server/pid", error);
    if (pid == nullptr || !pid->is_int64()) return {};
    return static_cast<pid_t>(pid->get_int64());
}

ControlClient reach(const CtlArguments& arguments) {
    return bullpen::reach("ctl", {.name = arguments.name, .directory = arguments.directory});
}

}  // namespace

std::string describe_status(std::string_view line) {
    const json::value answer = read_answer(line);
    try {
        const json::value& server = answer.as_object().at("server");
        const json::array& pools = server.as_object().at("pools").as_array();
        const std::string head = "server " + text_at(server, "name") + ": " + text_at(server, "phase") +
                                 ", up " +
                                 span_text(server.as_object().at("uptime_s").to_number<std::int64_t>()) +
                                 ", version " + text_at(server, "version") + ", pid " +
                                 text_at(server, "pid") + ", of the master " + text_at(server, "master_pid");
        return wrap(head, screen_width, 2) + "\n" + pool_table(pools) + "\n" + listener_table(pools);
    } catch (const std::exception&) {  // A part is missing or of another kind.
        throw std::runtime_error{"the server's answer lacks a part that this program expects"};
    }
}

void declare_ctl(CLI::App& program, CtlArguments& arguments, std::function<int()>& chosen) {
    CLI::App& command = *program.add_subcommand("ctl", "Give a running server an order");
    command.add_option("COMMAND", arguments.command, "status, reload, upgrade or stop")
        ->required()
        ->type_name("");
    command.add_flag("--now", arguments.now, "stop: end workers that are still busy, too");
    command.add_option("--name", arguments.name, "the server's --name (default)")->type_name("NAME");
    command.add_option("--control", arguments.directory, "the server's --control (auto)")->type_name("DIR");
    command.add_option("--timeout", arguments.timeout_s, "longest wait until it has happened (60)")
        ->type_name("S")
        ->check(CLI::Range(1, 86'400).description(""));
    command.add_flag("--json", arguments.json, "print the answer as the line of JSON that it is");
    std::string footer = "Commands:\n";
    for (const ControlCommand& one : control_commands) {
        footer += "  " + std::string{one.name};
        footer.append(10 - one.name.size(), ' ').append(one.help).append("\n");
    }
    command.footer(footer +
                   "They end when it has happened. Exit status 0: it has happened; 1: it could not\n"
                   "be done, or no server answers; 2: it is refused, and nothing has changed; 3: the\n"
                   "stop has lost connections.");
    command.callback([&] { chosen = [&] { return run_ctl(arguments); }; });
}

int run_ctl(const CtlArguments& arguments) {
    const ControlCommand command =
        choose("command", arguments.command,
               std::vector<ControlCommand>{control_commands.begin(), control_commands.end()}, "ctl");
    if (arguments.now && command.order != Order::stop) throw std::invalid_argument{"--now goes with stop"};
    const std::chrono::seconds timeout{arguments.timeout_s};
    const std::optional<pid_t> keeper = command.order == Order::stop
                                            ? keeper_of(reach(arguments).ask("status", false, timeout))
                                            : std::nullopt;
    ControlClient server = reach(arguments);
    if (keeper) server.note_keeper(*keeper);
    const std::string line = server.ask(command.name, arguments.now, timeout);
    const json::value answer = read_answer(line);
    const int status = static_cast<int>(answer.at("exit_status").get_int64());
    const bool has_stopped = command.order == Order::stop && (status == 0 || status == exit_lost);
    if (has_stopped && !server.wait_for_end(timeout))
        throw std::runtime_error{"the server has stopped, but its process doesn't end"};
    if (arguments.json)
        print(line + "\n");
    else if (status != 0)
        complain(arguments.command + ": " + text_at(answer, "message"));
    else
        print(command.order == Order::status ? describe_status(line) : text_at(answer, "message") + "\n");
    return status;
}

}  // namespace bullpen
