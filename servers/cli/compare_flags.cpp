#include <CLI/CLI.hpp>

#include "servers/cli/compare.hpp"

namespace bullpen {

void declare_compare(CLI::App& program, CompareOptions& options, std::function<int()>& chosen) {
    CLI::App& compare = *program.add_subcommand("compare", "Measure several models under the same load");
    compare.add_option("--models", options.models, "what is compared, in this order: iterative,fork,prefork")
        ->type_name("A,B,…")
        ->delimiter(',')
        ->allow_extra_args(false);
    compare.add_option("--service", options.service, "http (the default) or echo")->type_name("SERVICE");
    compare
        .add_option("--connections", options.connections,
                    "connections to each model (default: 20000; 2000 with --keep-alive)")
        ->type_name("N");
    compare.add_option("--concurrency", options.concurrency, "connections at a time (default: 16)")
        ->type_name("C");
    compare.add_option("--workers", options.workers, "workers of a model with a pool (default: 8)")
        ->type_name("N");
    compare.add_flag("--keep-alive", options.keep_alive,
                     "several requests on each connection, one after the other");
    compare
        .add_option("--requests", options.requests_per_connection,
                    "with --keep-alive: requests on each connection (default: 100)")
        ->type_name("N");
    compare.add_option("--root", options.root, "http: serve this directory (default: a temporary one)")
        ->type_name("DIR");
    compare.add_option("--path", options.path, "http: ask for this below the root (default: /)")
        ->type_name("PATH");
    compare
        .add_option("--size", options.message_size,
                    "bytes of echo's message, or of http's temporary file (default: 128)")
        ->type_name("N");
    compare.add_option("--time-limit", options.time_limit, "seconds of load a model (default: 60)")
        ->type_name("S");
    compare.add_option("--json", options.json_file, "write all numbers to this file")->type_name("FILE");
    compare.footer(
        "The built-in client keeps C connections open until N have been served. CPU time\n"
        "per connection is that of the master and all its workers.");
    compare.callback([&] { chosen = [&] { return run_compare(options); }; });
}

}  // namespace bullpen
