#include "servers/bench/compare/workload.hpp"

#include <algorithm>

#include "servers/bench/text/number_text.hpp"
#include "servers/settings/nearest.hpp"

namespace bullpen {
namespace {

constexpr const char* served_by_work = "work";
constexpr const char* every_transport = "all";
constexpr int rare_ms = 20;
constexpr double rare_share = 0.01;
constexpr int slow_ms = 100;
constexpr std::uint64_t large_bytes = 1 << 20;

std::string path(const char* directory, std::uint64_t number) {
    return std::string{"/"} + directory + "/" + std::to_string(number);
}

const char* large_directory(const std::string& send_file) {
    if (send_file == "sendfile") return "file";
    return send_file == "copy" ? "copy" : "bytes";
}

}  // namespace

const std::vector<NamedWorkload>& workloads() {
    static const std::vector<NamedWorkload> table = {
        {"short", "a connection for each request, and a small answer"},
        {"keep-alive", "many requests on each connection, one after the other"},
        {"skewed", "one request in a hundred takes 20 ms, the others nothing; judged by the fast ones"},
        {"cpu", "each request makes the server compute"},
        {"io", "each request makes its handler wait, as for a database"},
        {"large", "answers of 1 MiB"},
        {"slow", "clients that send their request in pieces over 100 ms, whether a worker listens or not"},
        {"idle", "as keep-alive, beside connections that say nothing (TLPI, table 63-9)"},
        {"datagram", "a question and its answer are a datagram each, over UDP", false},
        {"transports",
         "the same echo over TCP, UDP, UNIX streams and UNIX datagrams (TLPI, chapters 57 and 61)", false},
    };
    return table;
}

std::vector<Workload> make_workloads(const std::string& name, const WorkloadOptions& options) {
    if (name != "idle") return {make_workload(name, options)};
    std::vector<Workload> all;
    for (const int idle : options.idle) {
        WorkloadOptions one = options;
        one.idle = {idle};
        all.push_back(make_workload(name, one));
    }
    return all;
}

std::string summary_of(const Workload& workload) {
    const std::string name = workload.idle > 0 ? "idle" : workload.name;
    for (const NamedWorkload& known : workloads())
        if (known.name == name) return ": " + std::string{known.summary};
    return {};
}

Workload make_workload(const std::string& name, const WorkloadOptions& options) {
    choose("workload", name, workloads(), "--workload");
    const auto size = static_cast<std::uint64_t>(options.size);
    Workload workload{
        .name = name,
        .service = served_by_work,
        .answer_bytes = size,
        .concurrency = options.concurrency,
        .rate = options.rate,
        .connections = options.connections,
        .duration_s = options.connections > 0 ? options.time_limit_s : options.duration_s,
    };
    if (name == "short" || name == "keep-alive") workload.service = options.service;
    if (name == "keep-alive" || name == "idle")
        workload.requests_per_connection = options.requests_per_connection;
    if (name == "idle") {
        workload.idle = options.idle.front();
        workload.name += "-" + std::to_string(workload.idle);
    }
    if (name == "skewed" || name == "slow" || name == "idle") workload.path = path("bytes", size);
    if (name == "skewed") {
        workload.rare_path = path("sleep", rare_ms);
        workload.rare_share = rare_share;
    }
    if (name == "slow") workload.send_over_ms = slow_ms;
    if (name == "cpu") workload.path = path("cpu", static_cast<std::uint64_t>(options.cpu_us));
    if (name == "io") workload.path = path("sleep", static_cast<std::uint64_t>(options.sleep_ms));
    if (name == "cpu" || name == "io") workload.answer_bytes = 0;  // Whatever it says.
    if (name == "datagram") {
        workload.service = "echo";
        workload.transport = "udp";
        workload.rate = 0;
    }
    if (name == "transports") {
        workload.service = "echo";
        workload.transport = every_transport;
        workload.requests_per_connection = options.requests_per_connection;
    }
    if (name == "large") {
        workload.answer_bytes = large_bytes;
        workload.path = path(large_directory(options.send_file), large_bytes);
    }
    return workload;
}

std::int64_t warm_up_connections(const Workload& workload) noexcept {
    constexpr std::int64_t most = 500;
    constexpr std::int64_t part = 20;
    return workload.connections == 0 ? most : std::clamp<std::int64_t>(workload.connections / part, 1, most);
}

namespace {

std::string how_long(const Workload& workload) {
    return workload.connections > 0 ? "; " + grouped(workload.connections) + " " +
                                          (sends_datagrams(workload) ? "datagrams" : "connections") + " a run"
                                    : "; " + significant(workload.duration_s) + " s a run";
}

}  // namespace

std::string describe(const Workload& workload) {
    if (sends_datagrams(workload))
        return workload.service + ", datagrams of " +
               grouped(static_cast<std::int64_t>(workload.answer_bytes)) + " bytes over UDP, " +
               grouped(workload.concurrency) + " clients at a time; closed loop" + how_long(workload);
    if (compares_transports(workload))
        return workload.service + " under " + workload.model + ", messages of " +
               grouped(static_cast<std::int64_t>(workload.answer_bytes)) +
               " bytes over each transport; on a kept connection " +
               grouped(workload.requests_per_connection) + " requests in a row, else one; " +
               grouped(workload.concurrency) + " clients at a time; closed loop" + how_long(workload);
    std::string text = workload.service;
    if (!workload.path.empty()) text += " " + workload.path;
    if (workload.answer_bytes > 0)
        text += (workload.path.empty() ? ", messages of " : ", ") +
                grouped(static_cast<std::int64_t>(workload.answer_bytes)) + " bytes";
    if (workload.rare_share > 0)
        text += ", " + significant(workload.rare_share * 100) + " % of the requests " + workload.rare_path;
    text += workload.requests_per_connection == 1
                ? ", a connection a request"
                : ", " + grouped(workload.requests_per_connection) + " requests in a row on a connection";
    if (workload.send_over_ms > 0)
        text += ", each sent in pieces over " + grouped(workload.send_over_ms) + " ms";
    text += ", " + grouped(workload.concurrency) + " connections at a time";
    if (workload.idle > 0) text += " beside " + grouped(workload.idle) + " idle ones";
    text += workload.rate > 0 ? "; open loop, " + significant(workload.rate) +
                                    " requests a second, latency from when a request was due"
                              : "; closed loop";
    return text + how_long(workload);
}

bool sends_datagrams(const Workload& workload) noexcept {
    return workload.transport == "udp" || workload.transport == "unixgram";
}

const std::vector<Transport>& transports() {
    static const std::vector<Transport> all = {
        {"tcp-kept", "TCP, many questions on a connection", "tcp", true},
        {"tcp-each", "TCP, a connection for each question", "tcp", false},
        {"udp", "a UDP datagram for each question and each answer", "udp", false},
        {"unix-kept", "a UNIX stream, many questions on a connection", "unix", true},
        {"unix-each", "a UNIX stream, a connection for each question", "unix", false},
        {"unixgram", "a UNIX datagram for each question and each answer", "unixgram", false},
    };
    return all;
}

bool compares_transports(const Workload& workload) noexcept {
    return workload.transport == every_transport;
}

const char* noun_of(const Workload& workload) noexcept {
    return compares_transports(workload) ? "transport" : "model";
}

Workload workload_over(const Transport& transport, Workload workload) {
    workload.transport = transport.protocol;
    if (!transport.kept) workload.requests_per_connection = 1;
    return workload;
}

const char* unit_of(const Workload& workload) noexcept {
    if (compares_transports(workload)) return "request";
    if (sends_datagrams(workload)) return "datagram";
    return workload.requests_per_connection > 1 ? "request" : "connection";
}

}  // namespace bullpen
