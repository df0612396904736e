#include <CLI/CLI.hpp>
#include <memory>
#include <string>

#include "servers/cli/flag_checks.hpp"
#include "servers/cli/load_command.hpp"

namespace bullpen {
namespace {

constexpr long number_most = 1'000'000'000'000;
constexpr long concurrency_most = 60'000;
constexpr long seed_most = 4'294'967'295;
constexpr double rate_most = 1e6;
constexpr double day_s = 86'400;

void declare_amounts(CLI::App& load, LoadArguments& arguments) {
    load.add_option("--concurrency", arguments.concurrency, "connections at once (default: 16)")
        ->type_name("C")
        ->transform(number_from(1L, concurrency_most));
    load.add_option("--idle", arguments.idle, "beside so many that had an answer and stay silent")
        ->type_name("COUNT")
        ->transform(number_from(0L, concurrency_most));
    load.add_option("--duration", arguments.duration, "so long (default: 10, without N)")
        ->type_name("S")
        ->transform(number_from(0.0, day_s));
    load.add_option("--connections", arguments.connections, "so many connections in total")
        ->type_name("N")
        ->transform(number_from(0L, number_most));
    load.add_option("--requests", arguments.requests, "so many requests in total")
        ->type_name("N")
        ->transform(number_from(0L, number_most));
    load.add_option("--warm-up", arguments.warm_up, "the same for so long before, not counted")
        ->type_name("S")
        ->transform(number_from(0.0, day_s));
    load.add_flag("--keep-alive", arguments.keep_alive, "many requests a connection; =N: so many");
    load.add_option("--timeout", arguments.timeout, "for an answer (default: 10)")
        ->type_name("S")
        ->transform(number_from(0.001, day_s));
    load.add_option("--attempts", arguments.attempts, "udp: send a question so often at most (default: 8)")
        ->type_name("N")
        ->transform(number_from(1L, 1000L));
    load.add_option("--rate", arguments.rate, "open loop: so many requests a second")
        ->type_name("R")
        ->transform(number_from(0.0, rate_most));
    load.add_option("--arrivals", arguments.arrivals, "of an open loop: even (default) or poisson")
        ->type_name("HOW")
        ->check(one_of({"even", "poisson"}));
    load.add_option("--seed", arguments.seed, "of poisson arrivals (default: another each time)")
        ->type_name("N")
        ->check(number_from(0L, seed_most));
    load.add_option("--think-time", arguments.think_time, "from an answer to the connection's next request")
        ->type_name("MS")
        ->transform(number_from(0.0, day_s * 1000));
    load.add_option("--slow-send", arguments.slow_send, "send requests in pieces, one each MS")
        ->type_name("BYTES/MS")
        ->check(not_empty("BYTES/MS"));
}

void declare_requests(CLI::App& load, LoadArguments& arguments) {
    load.add_option("--source", arguments.source, "the IP address to come from")
        ->type_name("ADDR")
        ->check(not_empty("an IP address"));
    load.add_option("--method", arguments.method, "http: default GET")
        ->type_name("METHOD")
        ->check(not_empty("capital letters"));
    load.add_option("--header", arguments.headers, "http: one more; may be repeated")
        ->type_name("'K: V'")
        ->type_size(1)
        ->expected(1)
        ->allow_extra_args(false)
        ->take_all();
    load.add_option("--unix", arguments.unix_socket, "http: connect to this UNIX socket instead")
        ->type_name("PATH")
        ->check(not_empty("a path"));
    load.add_option("--message", arguments.message, "what is sent; http: the body")->type_name("TEXT");
    load.add_option("--size", arguments.size, "a message of so many bytes (default: 128)")
        ->type_name("N")
        ->transform(number_from(0L, load_size_most));
    load.add_option("--expect", arguments.expect, "not http: echo (default), or close: all till the end")
        ->type_name("WHAT")
        ->check(one_of({"echo", "close"}));
    load.add_option("--request-file", arguments.request_file, "not http: the message; http: see below")
        ->type_name("FILE")
        ->check(not_empty("a file"));
    load.add_option("--json", arguments.json_file, "write all numbers there too; -: stdout")
        ->type_name("FILE")
        ->check(not_empty("a file, or - for stdout"));
}

constexpr const char* footer =
    "URL is http://HOST[:PORT]/PATH, tcp://HOST:PORT, unix:/path, udp://HOST:PORT or\n"
    "unixgram:/path.\n"
    "\n"
    "Without --rate each connection's request follows its last answer (closed loop):\n"
    "a slow server slows the client down. With it requests are due on a schedule,\n"
    "and latency counts from then (open loop): a stall shows in all it delays.\n"
    "\n"
    "http: each line of a request file is [METHOD] PATH [weight=N] [class=NAME]. The\n"
    "weights say how often a line comes, evenly spread; classes are reported apart:\n"
    "    /small weight=99 class=fast\n"
    "    /large class=slow\n"
    "Any complete answer is one; a status of 400 or more is an error.\n"
    "\n"
    "Datagrams: each of C clients sends a question and awaits the same back, or what\n"
    "begins with its first 16 bytes (number, time). Without an answer it asks again,\n"
    "after a time by the round trips so far, doubled each time (UNP 22.5). JSON: url,\n"
    "concurrency, requests (answered), failed (given up), duration_s, requests_per_s,\n"
    "sent, retransmissions, refused (nobody listens), answers, duplicates (of them:\n"
    "to what was answered already), strays (answer nothing), loss (0 to 1),\n"
    "latency_us (from the first sending), round_trip_us, round_trip_variation_us,\n"
    "client_cpu_s, interrupted, gave_up.\n"
    "\n"
    "JSON: url, concurrency, rate, requests (answered), connections, duration_s,\n"
    "requests_per_s, connections_per_s, bytes, latency_us {p50 p90 p99 p999 max\n"
    "mean}, latency_distribution [[quantile, us]], classes {NAME {requests\n"
    "latency_us}}, failed, errors {NAME}, statuses {CODE}, reconnects, unanswered\n"
    "(unsent or timed out), longest_wait_us (whether answered or not), idle {asked\n"
    "answered undisturbed}, client_cpu_s, client_late_p99_us, interrupted, gave_up,\n"
    "seed (of poisson), bad_ends (left open, reset or sent more after the last).\n"
    "\n"
    "Exit status: 0, 1 with errors or without an answer, 2 usage, 130 Ctrl-C.";

}  // namespace

void declare_load(CLI::App& program, std::function<int()>& chosen) {
    CLI::App& load = *program.add_subcommand("load", "Load any server, and measure its answers");
    const auto arguments = std::make_shared<LoadArguments>();
    load.add_option("URL", arguments->url)->required()->type_name("");
    declare_amounts(load, *arguments);
    declare_requests(load, *arguments);
    load.footer(footer);
    load.callback([arguments, &chosen] { chosen = [arguments] { return run_load_command(*arguments); }; });
}

}  // namespace bullpen
