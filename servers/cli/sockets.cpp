#include "servers/cli/sockets.hpp"

#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <array>
#include <boost/json.hpp>
#include <chrono>
#include <map>
#include <stdexcept>
#include <thread>

#include "core/enumerate.hpp"
#include "servers/bench/text/number_text.hpp"
#include "servers/bench/text/text_table.hpp"
#include "servers/cli/output.hpp"
#include "servers/exit_status.hpp"
#include "servers/settings/nearest.hpp"

namespace bullpen {
namespace {

namespace json = boost::json;

constexpr std::size_t screen_width = 80;

std::vector<std::string_view> state_names() {
    std::vector<std::string_view> names;
    for (std::size_t i = 1; i <= socket_states; ++i)
        names.push_back(name_of(static_cast<SocketState>(i)));
    return names;
}

SocketState state_called(const std::string& name) {
    if (const std::optional<SocketState> state = socket_state_of(name)) return *state;
    const auto close = nearest(name, state_names());
    throw std::invalid_argument{"--state: there is no state '" + name + "'" +
                                (close ? " (did you mean " + std::string{*close} + "?)" : "") +
                                "; known are " + enumerate(state_names())};
}

std::vector<SocketState> states_called(const std::vector<std::string>& names) {
    std::vector<SocketState> states;
    for (const std::string& name : names)
        states.push_back(state_called(name));
    return states;
}

/// Those that were asked for: who listens first, then the oldest.
std::vector<ServedSocket> chosen_from(ServerSockets&& all, const std::vector<SocketState>& states,
                                      const std::string& pool) {
    if (!pool.empty() && std::find(all.pools.begin(), all.pools.end(), pool) == all.pools.end())
        throw std::invalid_argument{"--pool: the server has no pool '" + pool + "'; it has " +
                                    enumerate(all.pools)};
    std::vector<ServedSocket> sockets = std::move(all.sockets);
    std::erase_if(sockets, [&](const ServedSocket& socket) {
        const bool has_state =
            states.empty() || std::find(states.begin(), states.end(), socket.record.state) != states.end();
        return !has_state || (!pool.empty() && socket.pool != pool);
    });
    const auto rank = [](const ServedSocket& socket) {
        const auto age = socket.age.value_or(std::chrono::milliseconds{});
        return std::pair{socket.place != SocketPlace::listener, -age.count()};
    };
    std::stable_sort(sockets.begin(), sockets.end(),
                     [&](const ServedSocket& a, const ServedSocket& b) { return rank(a) < rank(b); });
    return sockets;
}

std::string peer_text(const ServedSocket& socket) {
    return socket.place == SocketPlace::listener || socket.record.peer.family() == AF_UNSPEC
               ? "*"
               : socket.record.peer.text();
}

std::string age_text(const std::optional<std::chrono::milliseconds>& age) {
    return age ? duration(static_cast<double>(age->count()) * 1000) : "-";
}

/// The end of an address says more than its begin.
TextTable::Cell address_cell(const std::string& text) {
    constexpr std::size_t least = 14;
    return {text, std::min(least, text.size()), [text](std::size_t width) {
                return text.size() <= width ? text : "…" + text.substr(text.size() - (width - 1));
            }};
}

std::string details_of(const ServedSocket& socket) {
    const SocketRecord& record = socket.record;
    std::string text;
    if (record.timer != SocketTimer::none)
        text += "timer " + std::string{name_of(record.timer)} + " in " +
                duration(static_cast<double>(record.expires.count()) * 1000);
    if (record.tcp && socket.place != SocketPlace::listener) {
        const TcpNumbers& tcp = *record.tcp;
        text += (text.empty() ? "rtt " : "; rtt ") + duration(static_cast<double>(tcp.rtt.count())) + " ± " +
                duration(static_cast<double>(tcp.rtt_var.count())) + ", " + grouped(tcp.retransmitted) +
                " retransmitted, " + grouped(static_cast<std::int64_t>(tcp.received_bytes)) + " received, " +
                grouped(static_cast<std::int64_t>(tcp.acknowledged_bytes)) + " acknowledged, data " +
                duration(static_cast<double>(tcp.since_last_data.count()) * 1000) + " ago";
    }
    constexpr std::size_t indent = 4;
    return text.empty() ? text : wrap(std::string(indent, ' ') + text, screen_width, indent);
}

std::string totals_of(const std::vector<ServedSocket>& sockets) {
    std::map<SocketState, std::size_t> counts;
    for (const ServedSocket& socket : sockets)
        ++counts[socket.record.state];
    std::string text =
        grouped(static_cast<std::int64_t>(sockets.size())) + (sockets.size() == 1 ? " socket" : " sockets");
    for (std::string separator = ": "; const auto& [state, count] : counts) {
        text += separator + grouped(static_cast<std::int64_t>(count)) + " " + std::string{name_of(state)};
        separator = ", ";
    }
    return wrap(text, screen_width, 2);
}

/// Puts each socket's details behind its line.
std::string with_details(const std::string& table, const std::vector<ServedSocket>& sockets) {
    std::string text;
    std::size_t begin = 0;
    for (std::size_t line = 0; begin < table.size(); ++line) {
        const std::size_t end = table.find('\n', begin) + 1;
        text.append(table, begin, end - begin);
        if (line > 0) text += details_of(sockets[line - 1]);
        begin = end;
    }
    return text;
}

/// null for what there isn't.
template <typename Value>
json::value if_any(bool is_there, const Value& value) {
    json::value any;
    if (is_there) any = value;
    return any;
}

json::object to_json(const ServedSocket& socket) {
    const SocketRecord& record = socket.record;
    json::object object = {
        {"pool", socket.pool},
        {"state", std::string{name_of(record.state)}},
        {"local", record.local.text()},
        {"peer", if_any(record.peer.family() != AF_UNSPEC, record.peer.text())},
        {"receive_queue", record.receive_queue},
        {"send_queue", record.send_queue},
        {"where", describe_place(socket)},
        {"pid", if_any(socket.pid != 0, socket.pid)},
        {"age_ms", if_any(socket.age.has_value(), socket.age.value_or(std::chrono::milliseconds{}).count())},
        {"timer", std::string{name_of(record.timer)}},
        {"timer_expires_ms", record.expires.count()}};
    if (record.tcp)
        object["tcp"] = {{"rtt_us", record.tcp->rtt.count()},
                         {"rtt_var_us", record.tcp->rtt_var.count()},
                         {"retransmitted", record.tcp->retransmitted},
                         {"received_bytes", record.tcp->received_bytes},
                         {"acknowledged_bytes", record.tcp->acknowledged_bytes},
                         {"since_last_data_ms", record.tcp->since_last_data.count()}};
    return object;
}

void show(const SocketsArguments& arguments, const std::vector<SocketState>& states) {
    const std::vector<ServedSocket> sockets =
        chosen_from(sockets_of(arguments.server), states, arguments.pool);
    std::string text = arguments.json ? sockets_json(sockets) : describe_sockets(sockets, arguments.details);
    constexpr std::string_view clear = "\033[H\033[2J";
    if (arguments.watch_s > 0 && !arguments.json && ::isatty(STDOUT_FILENO) != 0) text.insert(0, clear);
    print(text);
}

}  // namespace

std::string describe_sockets(const std::vector<ServedSocket>& sockets, bool details) {
    TextTable table{{"state", "local", "peer", "recv-q", "send-q", "where", "age", "rtt"}};
    for (const std::size_t column : {1U, 2U, 5U})
        table.align_left(column);
    for (const ServedSocket& socket : sockets) {
        const SocketRecord& record = socket.record;
        const bool measured =
            record.tcp && record.tcp->rtt.count() > 0 && socket.place != SocketPlace::listener;
        table.add({std::string{name_of(record.state)}, address_cell(record.local.text()),
                   address_cell(peer_text(socket)), std::to_string(record.receive_queue),
                   std::to_string(record.send_queue), describe_place(socket), age_text(socket.age),
                   measured ? duration(static_cast<double>(record.tcp->rtt.count())) : "-"});
    }
    const std::string text = table.text(screen_width);
    return (details ? with_details(text, sockets) : text) + totals_of(sockets);
}

std::string sockets_json(const std::vector<ServedSocket>& sockets) {
    json::array all;
    for (const ServedSocket& socket : sockets)
        all.push_back(to_json(socket));
    return json::serialize(all) + "\n";
}

void declare_sockets(CLI::App& program, SocketsArguments& arguments, std::function<int()>& chosen) {
    CLI::App& command = *program.add_subcommand("sockets", "Show a running server's sockets");
    command.add_option("--name", arguments.server.name, "the server's --name (default)")->type_name("NAME");
    command.add_option("--control", arguments.server.directory, "the server's --control (auto)")
        ->type_name("DIR");
    command.add_option("--pool", arguments.pool, "those of this pool alone")->type_name("POOL");
    command.add_option("--state", arguments.states, "those in these states alone")
        ->type_name("STATE,...")
        ->delimiter(',')
        ->allow_extra_args(false);
    command.add_flag("--details", arguments.details, "timers, retransmissions and bytes, too");
    command.add_flag("--json", arguments.json, "print a line of JSON");
    command.add_option("--watch", arguments.watch_s, "show them again after S seconds, until Ctrl-C")
        ->type_name("S")
        ->check(CLI::Range(0.1, 86'400.0).description(""));
    command.footer(
        "A socket's place is a slot (its worker serves it), behind one (the worker has it\n"
        "next), parked (it waits for its client), waiting (for a worker), backlog (nobody\n"
        "has accepted it), or kernel (the server has closed it). Its age is the time\n"
        "since its accept, which the master knows where it accepts itself, or where a\n"
        "process has one client. Of a listener recv-q are the clients in the backlog,\n"
        "and send-q is its limit.\n"
        "States: established, syn_sent, syn_received, fin_wait_1, fin_wait_2, time_wait,\n"
        "close, close_wait, last_ack, listen, closing.\n"
        "Exit status: 0; 1 if no server answers; 2 wrong usage.");
    command.callback([&] { chosen = [&] { return run_sockets(arguments); }; });
}

int run_sockets(const SocketsArguments& arguments) {
    const std::vector<SocketState> states = states_called(arguments.states);
    show(arguments, states);
    while (arguments.watch_s > 0) {
        std::this_thread::sleep_for(std::chrono::duration<double>{arguments.watch_s});
        show(arguments, states);
    }
    return 0;
}

}  // namespace bullpen
