/// A configuration file for one's own program. Not in a library that was built without toml++ (see
/// BULLPEN_PROGRAM in bullpen's CMakeLists.txt).
///
///     # shop.toml
///     [master]
///     metrics = "127.0.0.1:9464"
///     [pool.web]
///     listen = "0.0.0.0:8080"
///     workers_max = 32
///
///     bullpen::serve([] {
///         bullpen::Server server;
///         for (const bullpen::Options& options : bullpen::load_options("shop.toml"))
///             server.add(options, answer);
///         return server;
///     });
#pragma once

#include <string>
#include <vector>

#include <bullpen/export.hpp>
#include <bullpen/options.hpp>

namespace bullpen {

/// Reads a TOML file as `bullpen serve --config FILE` does: a pool for each [pool.NAME], in the order of
/// their names, and [master], which each of them gets. The keys are those of set_option(); `own` names tables
/// that belong to the program itself and aren't looked at. Throws std::invalid_argument: one sentence with
/// the file, the line, what is wrong and what is allowed; std::system_error if the file can't be read.
BULLPEN_API std::vector<Options> load_options(const std::string& path,
                                              const std::vector<std::string>& own = {});

}  // namespace bullpen
