#include "servers/cli/call.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <array>
#include <stdexcept>
#include <string_view>

#include "core/parse_number.hpp"
#include "servers/cli/command_trailer.hpp"
#include "servers/cli/connect_retry.hpp"
#include "servers/cli/exchange.hpp"
#include "servers/cli/flag_checks.hpp"
#include "servers/cli/priority_client.hpp"
#include "servers/exit_status.hpp"
#include "servers/settings/nearest.hpp"

namespace bullpen {
namespace {

/// A line that overwrites itself on a terminal, for what takes longer than a moment.
class ProgressLine {
public:
    void show(const ExchangeProgress& progress) {
        if (!is_terminal_) return;
        shown_ = true;
        const std::string line =
            fmt::format("\r{:>12} bytes sent {:>12} received ", progress.sent, progress.received);
        (void)!::write(STDERR_FILENO, line.data(), line.size());
    }
    void end() noexcept {
        if (shown_) (void)!::write(STDERR_FILENO, "\n", 1);
    }

private:
    bool is_terminal_ = ::isatty(STDERR_FILENO) == 1 && ::isatty(STDOUT_FILENO) == 0;
    bool shown_ = false;
};

UniqueFd connect(const CallArguments& arguments) {
    return connect_with_retries(arguments.address,
                                {.attempt = std::chrono::seconds{arguments.connect_timeout_s},
                                 .patience = std::chrono::seconds{arguments.retry_for_s}});
}

ExchangeProgress exchange_with(const CallArguments& arguments, std::string first, bool with_input,
                               const std::function<std::string(std::string_view)>& filter) {
    const UniqueFd server = connect(arguments);
    ProgressLine line;
    const ExchangeProgress progress =
        exchange({.input = with_input ? STDIN_FILENO : -1,
                  .server = server.get(),
                  .output = STDOUT_FILENO,
                  .first = std::move(first)},
                 filter, [&line](const ExchangeProgress& so_far) { line.show(so_far); });
    line.end();
    return progress;
}

std::string as_it_came(std::string_view piece) {
    return std::string{piece};
}

int call_raw(const CallArguments& arguments) {
    exchange_with(arguments, "", !arguments.no_input, as_it_came);
    return 0;
}

/// What comes back is written, and must be as much as was sent.
int call_echo(const CallArguments& arguments) {
    const ExchangeProgress progress = exchange_with(arguments, "", !arguments.no_input, as_it_came);
    if (progress.sent == progress.received) return 0;
    throw std::runtime_error{
        fmt::format("call: {} bytes were sent and {} came back", progress.sent, progress.received)};
}

int call_sequence_number(const CallArguments& arguments) {
    const std::string wanted = arguments.words.empty() ? "1" : arguments.words.front();
    if (arguments.words.size() > 1 || !parse_number<std::uint32_t>(wanted))
        throw std::invalid_argument{"call: sequence-number takes how many numbers are wanted"};
    std::string answer;
    exchange_with(arguments, wanted + "\n", false, [&answer](std::string_view piece) {
        answer += piece;
        return std::string{piece};
    });
    return answer.starts_with("?") || answer.empty() ? 1 : 0;
}

/// In single quotes, if it has more than letters and the like.
std::string quoted(const std::string& word) {
    constexpr std::string_view plain =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-./=:,+@%";
    if (!word.empty() && word.find_first_not_of(plain) == std::string::npos) return word;
    std::string text = "'";
    for (const char c : word)
        text += c == '\'' ? "'\\''" : std::string(1, c);
    return text + "'";
}

/// One word is the whole command, several are quoted.
int call_remote_command(const CallArguments& arguments) {
    if (arguments.words.empty())
        throw std::invalid_argument{"call: remote-command takes a command, as in: -- ls -l"};
    std::string command = arguments.words.size() == 1 ? arguments.words.front() : "";
    for (std::size_t i = 0; arguments.words.size() > 1 && i < arguments.words.size(); ++i)
        command += (i > 0 ? " " : "") + quoted(arguments.words[i]);
    CommandTrailer trailer;
    exchange_with(arguments, command, false,
                  [&trailer](std::string_view piece) { return trailer.pass(piece); });
    const std::string end = trailer.text();
    if (end.empty())
        throw std::runtime_error{"call: the server has ended without saying how the command did"};
    if (end.starts_with("limit")) complain("the command was ended by the server: " + end);
    return exit_status_of_trailer(end);
}

/// What comes back of stdin goes to stdout, the answers to the priority texts go to stderr.
int call_priority(const CallArguments& arguments) {
    std::string texts;
    for (const std::string& text : arguments.priority) {
        if (text.find('\n') != std::string::npos)
            throw std::invalid_argument{"call: --priority takes one line of text"};
        texts += text + "\n";
    }
    const UniqueFd server = connect(arguments);
    const UniqueFd priority =
        accept_priority_connection(server.get(), std::chrono::seconds{arguments.connect_timeout_s});
    const ExchangeProgress progress = exchange({.input = arguments.no_input ? -1 : STDIN_FILENO,
                                                .server = server.get(),
                                                .output = STDOUT_FILENO,
                                                .priority = priority.get(),
                                                .priority_output = STDERR_FILENO,
                                                .priority_first = std::move(texts)},
                                               as_it_came);
    if (progress.sent == progress.received) return 0;
    throw std::runtime_error{
        fmt::format("call: {} bytes were sent and {} came back", progress.sent, progress.received)};
}

struct ServiceCaller {
    std::string_view service;
    int (*call)(const CallArguments& arguments);
};
constexpr std::array callers = {ServiceCaller{"raw", call_raw}, ServiceCaller{"echo", call_echo},
                                ServiceCaller{"sequence-number", call_sequence_number},
                                ServiceCaller{"remote-command", call_remote_command},
                                ServiceCaller{"priority", call_priority}};

}  // namespace

void declare_call(CLI::App& program, CallArguments& arguments, std::function<int()>& chosen) {
    CLI::App& call = *program.add_subcommand("call", "Ask one of the small services");
    call.add_option("SERVICE", arguments.service, "raw, echo, sequence-number, remote-command or priority")
        ->required()
        ->type_name("");
    call.add_option("ADDR", arguments.address, "HOST:PORT, unix:/path, seqpacket:/path")
        ->required()
        ->type_name("");
    call.add_option("words", arguments.words, "how many numbers, or a command: -- COMMAND ARG...")
        ->type_name("");
    call.add_flag("--no-input", arguments.no_input, "raw, echo, priority: send nothing, end our side");
    call.add_option("--priority", arguments.priority, "priority: a line that passes by stdin (repeatable)")
        ->type_name("TEXT")
        ->allow_extra_args(false);
    call.add_option("--retry-for", arguments.retry_for_s, "go on trying to connect for so long (0)")
        ->type_name("S")
        ->transform(number_from(0, 86'400));
    call.add_option("--connect-timeout", arguments.connect_timeout_s, "for one address to answer (10)")
        ->type_name("S")
        ->transform(number_from(1, 3'600));
    call.footer(
        "raw and echo send stdin, end their side and write what comes, both at once.\n"
        "sequence-number writes the first of the numbers that are ours now.\n"
        "remote-command writes what the command does. Its exit status is the command's:\n"
        "N, 128 + N for signal N, 124 if the server has ended it.\n"
        "priority sends stdin, and each TEXT on a second connection once some of stdin\n"
        "has left. Answers to TEXTs go to stderr: \"N TEXT\", after N bytes of stdin.");
    call.callback([&] { chosen = [&] { return run_call(arguments); }; });
}

int run_call(const CallArguments& arguments) {
    if (!arguments.priority.empty() && arguments.service != "priority")
        throw std::invalid_argument{"call: --priority goes with the service priority alone"};
    std::vector<std::string_view> names;
    for (const ServiceCaller& caller : callers) {
        if (caller.service == arguments.service) return caller.call(arguments);
        names.push_back(caller.service);
    }
    throw std::invalid_argument{"call: " + no_such("service", arguments.service, names)};
}

}  // namespace bullpen
