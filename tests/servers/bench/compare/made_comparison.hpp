/// A comparison that nobody measured, for the tests of what is made of one.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "servers/bench/compare/comparison.hpp"
#include "tests/servers/bench/text/made_numbers.hpp"

namespace bullpen {

/// A run of 2 s: so many requests a second, at so much CPU (a fifth of it user), p99 in ms.
inline Run made_run(double requests_per_s, double cpu_us, double p99_ms) {
    Run run;
    run.wall_s = 2;
    run.requests = static_cast<std::int64_t>(requests_per_s * run.wall_s);
    run.connections = run.requests;
    const double used_s = cpu_us * static_cast<double>(run.requests) / 1e6;
    run.server = {.user_s = used_s / 5,
                  .system_s = used_s * 4 / 5,
                  .voluntary_switches = run.requests * 2,
                  .involuntary_switches = run.requests / 4};
    run.client_cpu_s = 0.5;
    run.latency = {{.name = "all",
                    .requests = run.requests,
                    .summary = {.mean_us = 100,
                                .p50_us = 712,
                                .p90_us = 900,
                                .p99_us = p99_ms * 1000,
                                .p999_us = 12'300,
                                .max_us = 99'000},
                    .distribution = {{0.5, 712}, {0.9, 900}, {0.99, p99_ms * 1000}, {1, 99'000}}}};
    run.memory = {.master_kb = 1024, .workers_kb = 2048, .workers = 8};
    run.connections_by_slot = {9'000, 5'000, 4'000, 2'500};
    return run;
}

inline Measurement made_measurement(const std::string& model, std::vector<Run> runs) {
    return {.model = model, .runs = std::move(runs)};
}

/// iterative and prefork overlap in throughput, fork is clearly behind; each differs in CPU.
inline Comparison made_comparison() {
    Comparison comparison{
        .began = "2026-01-02T03:04:05Z",
        .version = "1.2.3",
        .command = "bullpen compare --repeat 3",
        .machine = {.kernel = "Linux 6.1.0",
                    .processor = "A <b>processor</b>",
                    .cpus = 2,
                    .memory_mib = 2048},
        .workers = 8,
        .repeat = 3,
    };
    WorkloadResult& result = comparison.workloads.emplace_back();
    result.workload = {.name = "short",
                       .service = "http",
                       .path = "/file.txt",
                       .answer_bytes = 128,
                       .concurrency = 16,
                       .duration_s = 2};
    result.measurements = {
        made_measurement("iterative",
                         {made_run(10'000, 20, 1.2), made_run(11'000, 21, 1.3), made_run(12'000, 22, 1.4)}),
        made_measurement("fork", {made_run(3'000, 150, 5), made_run(3'100, 151, 6), made_run(3'200, 152, 7)}),
        made_measurement("prefork",
                         {made_run(9'000, 30, 2.1), made_run(9'500, 31, 2.2), made_run(10'500, 32, 2.3)}),
    };
    result.measurements[0].runs[0].connections_by_slot = {20'500};
    result.measurements[0].runs[1].connections_by_slot = {20'500};
    result.measurements[0].runs[2].connections_by_slot = {20'500};
    result.measurements[1].worker_per_client = true;
    result.left_out = {{.model = "inetd", .reason = "the service http has no program's form."}};
    return comparison;
}

/// The same models under the workload datagram: one lost a tenth of what was sent to it.
inline Comparison made_datagram_comparison() {
    Comparison comparison = made_comparison();
    WorkloadResult& result = comparison.workloads[0];
    result.workload.name = "datagram";
    result.workload.service = "echo";
    result.workload.path.clear();
    result.workload.transport = "udp";
    for (Measurement& m : result.measurements)
        for (Run& run : m.runs)
            run.datagrams = {.sent = run.requests, .answers = run.requests};
    for (Run& run : result.measurements[1].runs)
        run.datagrams = {.sent = 1'000, .retransmissions = 120, .answers = 900, .dropped = 99};
    return comparison;
}

/// Three transports, and what a full receive buffer did.
inline Comparison made_transport_comparison() {
    Comparison comparison = made_comparison();
    WorkloadResult& result = comparison.workloads[0];
    result.workload = {.name = "transports",
                       .service = "echo",
                       .answer_bytes = 128,
                       .concurrency = 8,
                       .requests_per_connection = 100,
                       .duration_s = 2,
                       .transport = "all",
                       .model = "prefork"};
    result.measurements[0].model = "tcp-kept";
    result.measurements[1].model = "tcp-each";
    result.measurements[1].worker_per_client = false;
    result.measurements[2].model = "udp";
    for (Run& run : result.measurements[2].runs)
        run.datagrams = {.sent = 1'000, .retransmissions = 1, .answers = 999};
    result.left_out.clear();
    result.full_buffers = {
        {.transport = "tcp",
         .first_read = 8,
         .sent = 1'724,
         .would_block = true,
         .waits = true,
         .received = 1'724},
        {.transport = "udp", .first_read = 3, .sent = 10'000, .received = 157, .dropped = 9'843}};
    return comparison;
}

/// Numbers up to 10 to the power `digits` in every field of a run.
inline Run random_run(MadeNumbers& made, double digits) {
    Run run;
    run.wall_s = made.upto(5);
    run.requests = made.count_upto(digits);
    run.connections = made.count_upto(digits);
    run.server = {.user_s = made.upto(digits),
                  .system_s = made.upto(digits),
                  .voluntary_switches = made.count_upto(digits),
                  .involuntary_switches = made.count_upto(digits)};
    if (made.rarely()) run.start_stop = {.user_s = made.upto(digits), .system_s = made.upto(digits)};
    run.latency = {{.name = "all", .requests = run.requests}};
    LatencySummary& summary = run.latency[0].summary;
    for (double* us : {&summary.p50_us, &summary.p90_us, &summary.p99_us, &summary.p999_us, &summary.max_us})
        *us = made.upto(digits);
    run.memory = {.master_kb = made.count_upto(digits),
                  .workers_kb = made.count_upto(digits),
                  .workers = made.count_upto(4)};
    run.datagrams = {.sent = made.count_upto(digits),
                     .retransmissions = made.count_upto(digits),
                     .answers = made.count_upto(digits),
                     .dropped = made.count_upto(digits)};
    run.connections_by_slot.resize(static_cast<std::size_t>(made.count_upto(2.5)));
    for (std::uint64_t& connections : run.connections_by_slot)
        connections = static_cast<std::uint64_t>(made.count_upto(digits));
    return run;
}

/// Of these models with up to four runs each, some of which have no numbers.
inline Comparison random_comparison(unsigned seed, const std::vector<std::string>& models) {
    MadeNumbers made{seed};
    Comparison comparison = made_comparison();
    WorkloadResult& result = comparison.workloads[0];
    result.workload.requests_per_connection = seed % 2 == 0 ? 1 : 100;
    if (seed % 3 == 0) result.workload.transport = "udp";
    result.measurements.clear();
    for (const std::string& name : models) {
        Measurement& measurement = result.measurements.emplace_back();
        measurement.model = name;
        measurement.worker_per_client = made.rarely();
        if (made.rarely()) measurement.failure = "it was not to be";
        const auto runs = static_cast<std::size_t>(made.count_upto(0.7));
        while (measurement.runs.size() < runs)
            measurement.runs.push_back(random_run(made, 3.0 + seed % 15));
    }
    return comparison;
}

}  // namespace bullpen
