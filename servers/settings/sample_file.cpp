#include "servers/settings/sample_file.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <string_view>

#include "servers/settings/setting_value.hpp"
#include "servers/settings/settings.hpp"

namespace bullpen {
namespace {

struct Heading {
    std::string_view before;  ///< The key that follows.
    std::string_view text;
};
constexpr std::array headings = {
    Heading{"workers", "# The pool's size. `workers` goes with none of the four below it."},
    Heading{"backlog", "# The listeners and the workers."},
    Heading{
        "allow",
        "# Who gets in, where the master accepts (models prefork, prefork-event, fork and inetd). A source "
        "is all clients\n# whose addresses begin with the same source_prefix; a client of a UNIX socket has "
        "no address."},
    Heading{"handoff_when", "# A worker's time, where the master accepts."},
    Heading{
        "idle_timeout",
        "# How long things may take. A transfer (a body, an answer) has a deadline that moves: each "
        "body_rate "
        "or write_rate\n# bytes earn a second, up to the whole time from now. Each limit is a label of the "
        "metric\n# bullpen_connections_timed_out_total."},
    Heading{"queue", "# Overload, where the master accepts."},
};

/// "seconds from 1 to 86400: "
template <typename Owner>
std::string unit_of(const Setting<Owner>& setting) {
    if (!setting.is_number()) return {};
    const char* const unit = setting.argument == "S"    ? "seconds from "
                             : setting.argument == "MS" ? "milliseconds from "
                                                        : "";
    return fmt::format("{}{} to {}: ", unit, setting.least, setting.most);
}

template <typename Owner>
std::string line_of(const Setting<Owner>& setting, const Owner& defaults) {
    const std::string text = text_of(setting, defaults);
    const bool unset = !setting.example.empty();
    const std::string value = unset                 ? std::string{setting.example}
                              : setting.is_number() ? text
                              : setting.is_list()   ? "[\"" + text + "\"]"
                                                    : "\"" + text + "\"";
    return fmt::format("{:<30} # {}{}\n", fmt::format("{}{} = {}", unset ? "# " : "", setting.key, value),
                       unit_of(setting), setting.help);
}

template <typename Owner>
std::string lines_of(const std::vector<Setting<Owner>>& table) {
    const Owner defaults{};
    std::string lines;
    for (const Setting<Owner>& setting : table) {
        const auto* const heading = std::find_if(
            headings.begin(), headings.end(), [&](const Heading& one) { return one.before == setting.key; });
        if (heading != headings.end()) lines += "\n" + std::string{heading->text} + "\n";
        lines += line_of(setting, defaults);
    }
    return lines;
}

}  // namespace

std::string sample_file() {
    return "# Every key of a Bullpen configuration file, with its default; what begins with \"# key =\" is "
           "unset by "
           "default.\n"
           "#\n"
           "#   bullpen check-config deploy/bullpen.toml\n"
           "#   bullpen serve --config deploy/bullpen.toml\n"
           "#\n"
           "# A key is the name of a flag of `bullpen serve`, with underscores; a flag overrides the file. "
           "With "
           "several pools a\n"
           "# pool's flags need --pool POOL to say which one is meant. `bullpen check-config --sample` "
           "prints this "
           "file.\n"
           "\n"
           "[master]\n" +
           lines_of(master_settings()) +
           "\n"
           "# A pool: listeners, service, model and limits. Its name is the label `pool` of all its "
           "metrics.\n"
           "[pool.web]\n" +
           lines_of(pool_settings()) +
           "\n"
           "# A second pool under the same master, of fixed size. (Not the defaults.)\n"
           "[pool.echo]\n"
           "service = \"echo\"\n"
           "listen = [\"127.0.0.1:8007\"]\n"
           "workers = 2\n";
}

}  // namespace bullpen
