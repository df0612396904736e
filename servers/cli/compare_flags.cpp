#include <CLI/CLI.hpp>
#include <sstream>
#include <string>
#include <vector>

#include "servers/cli/compare.hpp"

namespace bullpen {
namespace {

std::vector<std::string> split(const std::string& list) {
    std::vector<std::string> parts;
    std::istringstream stream{list};
    for (std::string part; std::getline(stream, part, ',');)
        parts.push_back(part);
    return parts;
}

}  // namespace

void declare_compare(CLI::App& program, CompareOptions& options, std::function<int()>& chosen) {
    CLI::App& compare = *program.add_subcommand("compare", "Measure several models under the same load");
    compare
        .add_option_function<std::string>(
            "--models", [&](const std::string& list) { options.models = split(list); },
            "what to compare, in this order (default: all)")
        ->type_name("A,B");
    compare.add_option("--service", options.service, "http (default) or echo")->type_name("SERVICE");
    compare
        .add_option("--connections", options.connections,
                    "connections to each (default: 50000, kept alive 3000)")
        ->type_name("N");
    compare.add_option("--concurrency", options.concurrency, "connections at a time (default: 16)")
        ->type_name("C");
    compare.add_option("--workers", options.workers, "workers of a pool (default: 8)")->type_name("N");
    compare.add_flag("--keep-alive", options.keep_alive, "several requests on each connection, in a row");
    compare
        .add_option("--requests", options.requests_per_connection, "so many with --keep-alive (default: 100)")
        ->type_name("N");
    compare.add_option("--root", options.root, "http: the files to serve (default: one small file)")
        ->type_name("DIR");
    compare.add_option("--path", options.path, "http: what to ask for below DIR (default: /)")
        ->type_name("PATH");
    compare.add_option("--size", options.message_size, "bytes of the small file or message (default: 128)")
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
