#include <strings.h>
#include <sys/socket.h>
#include <sys/time.h>

#include <algorithm>
#include <cmath>
#include <random>
#include <stdexcept>
#include <system_error>

#include <bullpen/unique_fd.hpp>
#include "core/parse_number.hpp"
#include "core/read_file.hpp"
#include "core/resolve.hpp"
#include "servers/bench/load/request_file.hpp"
#include "servers/bench/load/source_address.hpp"
#include "servers/bench/load/url.hpp"
#include "servers/cli/load_command.hpp"

namespace bullpen {
namespace {

constexpr long keep_alive_most = 2'000'000'000;

[[noreturn]] void reject(const std::string& sentence) {
    throw std::invalid_argument{sentence};
}

void check(const LoadArguments& arguments) {
    if (arguments.rate > 0 && arguments.think_time > 0)
        reject("--think-time: with --rate the schedule says when a request is made");
    if (arguments.attempts > 0) reject("--attempts: it goes with udp:// and unixgram:");
    if (arguments.size > 0 && !arguments.message.empty()) reject("--size and --message: give one of them");
}

long number_of(std::string_view text, const std::string& flag, long least, long most) {
    const auto number = parse_number<long>(text);
    if (!number || *number < least || *number > most)
        reject(flag + ": expected a number from " + std::to_string(least) + " to " + std::to_string(most) +
               ", got '" + std::string{text} + "'");
    return *number;
}

int requests_per_connection_from(const LoadArguments& arguments) {
    if (arguments.keep_alive.empty()) return 1;
    if (arguments.keep_alive == "true") return 0;
    return static_cast<int>(number_of(arguments.keep_alive, "--keep-alive", 0, keep_alive_most));
}

SlowSend slow_send_from(const std::string& text) {
    if (text.empty()) return {};
    const auto slash = text.find('/');
    if (slash == std::string::npos) reject("--slow-send: expected BYTES/MS, got '" + text + "'");
    constexpr long minute_ms = 60'000;
    return {
        .bytes = static_cast<std::size_t>(number_of(text.substr(0, slash), "--slow-send", 1, load_size_most)),
        .interval = std::chrono::milliseconds{number_of(text.substr(slash + 1), "--slow-send", 1, minute_ms)},
    };
}

Arrivals arrivals_from(const LoadArguments& arguments) {
    const bool even = arguments.arrivals == "even";
    if (!even && arguments.rate == 0) reject("--arrivals: it goes with --rate");
    return even ? Arrivals::even : Arrivals::poisson;
}

/// Another one in each run, unless it is given.
std::uint64_t seed_from(const LoadArguments& arguments) {
    if (!arguments.seed) return std::random_device{}();
    if (arguments.arrivals == "even") reject("--seed: it goes with --arrivals poisson");
    return static_cast<std::uint64_t>(*arguments.seed);
}

std::chrono::milliseconds milliseconds_of(double seconds) {
    return std::chrono::milliseconds{std::llround(std::ceil(seconds * 1000))};
}

std::string read_whole(const std::string& path) {
    std::string text = read_file(path);
    if (text.empty()) reject("--request-file: " + path + " is empty");
    return text;
}

bool is_header_name(std::string_view name) {
    constexpr std::string_view marks = "!#$%&'*+-.^_`|~";  // RFC 9110 5.6.2.
    const auto may_be_in = [&](char c) {
        return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
               marks.find(c) != std::string_view::npos;
    };
    return !name.empty() && std::all_of(name.begin(), name.end(), may_be_in);
}

/// What says where the body ends is load's own: two that differ are a way to smuggle a request.
void check_header(const std::string& header) {
    const auto colon = header.find(':');
    const bool plain = header.find_first_of("\r\n") == std::string::npos;
    if (colon == std::string::npos || !is_header_name(std::string_view{header}.substr(0, colon)) || !plain)
        reject("--header: expected 'Name: value', got '" + header + "'");
    const std::string name = header.substr(0, colon);
    for (const char* framing : {"Content-Length", "Transfer-Encoding"})
        if (::strcasecmp(name.c_str(), framing) == 0)
            reject("--header: " + name +
                   " is said by load itself, of the body that --message or --size make");
}

/// A Host among the headers replaces the URL's.
void take_host(LoadRequest& request) {
    std::erase_if(request.headers, [&](const std::string& header) {
        constexpr std::string_view name = "host:";
        if (::strncasecmp(header.c_str(), name.data(), name.size()) != 0) return false;
        const auto value = std::min(header.find_first_not_of(" \t", name.size()), header.size());
        request.host = header.substr(value);
        return true;
    });
}

std::string made_up(long size) {
    return echo_dialogue(static_cast<std::size_t>(size)).request;
}

std::vector<RequestClass> http_classes(const LoadArguments& arguments, const Url& url) {
    if (!arguments.expect.empty()) reject("--expect: it goes with tcp:// and unix:");
    LoadRequest request{.method = arguments.method.empty() ? "GET" : arguments.method,
                        .host = url.host,
                        .path = url.path,
                        .headers = arguments.headers};
    for (const std::string& header : request.headers)
        check_header(header);
    take_host(request);
    if (request.method.find_first_not_of("ABCDEFGHIJKLMNOPQRSTUVWXYZ") != std::string::npos)
        reject("--method: expected capital letters, got '" + request.method + "'");
    if (!arguments.message.empty()) request.body = arguments.message;
    if (arguments.size > 0) request.body = made_up(arguments.size);
    const auto dialogue_of = [](LoadRequest of) {
        if (!of.body && (of.method == "POST" || of.method == "PUT" || of.method == "PATCH")) of.body = "";
        return http_dialogue(of);
    };
    if (arguments.request_file.empty()) return {{.dialogue = dialogue_of(request)}};

    std::vector<RequestClass> classes;
    const std::string& file = arguments.request_file;
    for (const RequestLine& line : parse_request_lines(read_whole(file), file)) {
        LoadRequest one = request;
        one.path = line.path;
        if (!line.method.empty()) one.method = line.method;
        classes.push_back({.name = line.name, .dialogue = dialogue_of(one), .weight = line.weight});
    }
    return classes;
}

std::vector<RequestClass> raw_classes(const LoadArguments& arguments) {
    if (!arguments.method.empty()) reject("--method: it goes with http://");
    if (!arguments.headers.empty()) reject("--header: it goes with http://");
    if (!arguments.unix_socket.empty()) reject("--unix: it goes with http://; a raw one is unix:/path");
    const bool until_end = arguments.expect == "close";
    if (until_end && arguments.idle > 0)
        reject("--idle: with --expect close no connection outlives its answer");
    if (until_end && !arguments.keep_alive.empty())
        reject("--keep-alive: with --expect close a connection has one answer");
    constexpr long default_size = 128;
    std::string message = arguments.message;
    if (!arguments.request_file.empty()) {
        if (!message.empty() || arguments.size > 0)
            reject("--request-file: it is the message; give no --message or --size");
        message = read_whole(arguments.request_file);
    }
    if (message.empty()) message = made_up(arguments.size > 0 ? arguments.size : default_size);
    return {{.dialogue = until_end ? until_end_dialogue(message) : echo_dialogue(message)}};
}

/// A name may have several addresses: the first at which somebody listens, else the first. If sources are
/// given, of those that can be reached from one.
Address choose_address(const std::string& text, const std::vector<Address>& sources) {
    std::vector<Address> all = resolve_stream(text);
    const auto is_out_of_reach = [&](const Address& server) {
        return !sources.empty() && std::none_of(sources.begin(), sources.end(), [&](const Address& source) {
            return source.family() == server.family();
        });
    };
    if (!std::all_of(all.begin(), all.end(), is_out_of_reach)) std::erase_if(all, is_out_of_reach);
    if (all.size() > 1)
        for (const Address& address : all) {
            const UniqueFd socket{::socket(address.family(), SOCK_STREAM | SOCK_CLOEXEC, address.protocol())};
            constexpr timeval patience{.tv_sec = 2, .tv_usec = 0};
            ::setsockopt(socket.get(), SOL_SOCKET, SO_SNDTIMEO, &patience,
                         sizeof patience);  // Of connect, too.
            if (socket && ::connect(socket.get(), address.data(), address.size()) == 0) return address;
        }
    return all.front();
}

}  // namespace

LoadOptions load_options_from(const LoadArguments& arguments) {
    check(arguments);
    const Url url = parse_url(arguments.url);
    if (arguments.unix_socket.empty()) check_host(url);
    constexpr double default_duration_s = 10;
    const bool endless = arguments.connections == 0 && arguments.requests == 0 && arguments.duration == 0;
    LoadOptions options{
        .server = {},
        .classes = url.http ? http_classes(arguments, url) : raw_classes(arguments),
        .connections = arguments.connections,
        .concurrency = static_cast<int>(arguments.concurrency),
        .requests_per_connection = requests_per_connection_from(arguments),
        .requests = arguments.requests,
        .duration = milliseconds_of(endless ? default_duration_s : arguments.duration),
        .rate = arguments.rate,
        .arrivals = arrivals_from(arguments),
        .seed = seed_from(arguments),
        .slow_send = slow_send_from(arguments.slow_send),
        .think_time = std::chrono::milliseconds{std::llround(arguments.think_time)},
        .request_timeout = milliseconds_of(arguments.timeout),
        .time_limit = std::chrono::hours{24 * 365},
    };
    if (options.rate > 0 && options.connections > 0 && options.requests_per_connection == 0)
        reject("--connections: with --rate and --keep-alive give --requests or --duration");
    const std::vector<Address> sources =
        arguments.source.empty() ? std::vector<Address>{} : resolve_source(arguments.source);
    options.server = arguments.unix_socket.empty() ? choose_address(url.address, sources)
                                                   : Address::unix_name(arguments.unix_socket);
    if (!sources.empty()) options.source = choose_source(sources, options.server);
    return options;
}

}  // namespace bullpen
