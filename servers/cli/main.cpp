/// The `bullpen` program: reads the command line and calls the command it names.
#include <fmt/format.h>
#include <CLI/CLI.hpp>

#include <algorithm>
#include <array>
#include <functional>
#include <map>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

#include <bullpen/version.hpp>
#include "core/process.hpp"
#include "core/standard_descriptors.hpp"
#include "pool/inheritance.hpp"
#include "servers/cli/call.hpp"
#include "servers/cli/compare.hpp"
#include "servers/cli/ctl.hpp"
#include "servers/cli/handle.hpp"
#include "servers/cli/inetd.hpp"
#include "servers/cli/load_command.hpp"
#include "servers/cli/models_command.hpp"
#include "servers/cli/output.hpp"
#include "servers/cli/serve.hpp"
#include "servers/cli/setting_flags.hpp"
#include "servers/cli/sockets.hpp"
#include "servers/exit_status.hpp"
#include "servers/models/models.hpp"
#include "servers/services/service.hpp"
#include "servers/settings/nearest.hpp"

namespace bullpen {
namespace {

constexpr int exit_usage = 2;

void declare_serve(CLI::App& program, ServeArguments& arguments, std::function<int()>& chosen) {
    CLI::App& serve = *program.add_subcommand("serve", "Serve clients until SIGTERM or Ctrl-C");
    serve.add_option("service", arguments.service, "what is served: http (the default), or see below")
        ->type_name("");
    serve
        .add_option("program", arguments.pool["program"],
                    "exec -- PROGRAM ARG...: what it starts for each client")
        ->type_name("");
    declare_flags(serve, pool_settings(), arguments.pool);
    declare_flags(serve, master_settings(), arguments.master);
    serve.add_option("--config", arguments.config, "read the settings from a TOML file; flags override it")
        ->type_name("FILE");
    serve.add_option("--pool", arguments.pool_name, "the pool of the file that pool flags are for")
        ->type_name("POOL");
    std::string names = "Services:\n";
    for (const Service& service : services())
        names += fmt::format("  {:<16}{}\n", service.name, service.summary);
    serve.footer(names +
                 "\n"
                 "Without flags: the files below the current directory on http://127.0.0.1:8080/,\n"
                 "4 workers at the start, 2 to 6 spare ones, at most 64; metrics at\n"
                 "http://127.0.0.1:9464/metrics. Stop it with SIGTERM or Ctrl-C: nothing is lost.\n"
                 "\n"
                 "Exit status: 0 after an orderly stop, 1 if it could not start, 2 wrong usage or\n"
                 "configuration, 3 if the stop lost connections (drain_timeout, a second Ctrl-C).");
    serve.callback([&] {
        if (!arguments.service.empty()) arguments.pool["service"] = {arguments.service};
        chosen = [&] { return run_serve(arguments); };
    });
}

struct CheckArguments {
    std::string file;
    bool sample = false;  ///< Print a file with every key instead.
};

void declare_check_config(CLI::App& program, CheckArguments& arguments, std::function<int()>& chosen) {
    CLI::App& check =
        *program.add_subcommand("check-config", "Check a configuration file and say what it means");
    CLI::Option* const file = check.add_option("FILE", arguments.file, "what to check")->type_name("");
    CLI::Option* const sample =
        check.add_flag("--sample", arguments.sample, "print a file with every key and its default instead");
    file->excludes(sample);
    check.callback([&] {
        if (!arguments.sample && arguments.file.empty()) throw CLI::RequiredError{"FILE"};
        chosen = [&] { return arguments.sample ? run_print_sample() : run_check_config(arguments.file); };
    });
}

std::string see_help(const CLI::App& program) {
    const auto chosen = program.get_subcommands();
    return "; see bullpen " + (chosen.empty() ? "" : chosen.front()->get_name() + " ") + "--help";
}

/// "await_next" for "--await-next"
std::string key_of(std::string_view flag) {
    std::string key{flag.substr(std::min<std::size_t>(2, flag.size()))};
    std::replace(key.begin(), key.end(), '-', '_');
    return key;
}

/// The sentence for an argument that nobody expects, with the nearest that somebody would.
std::string unknown_argument(const CLI::App& program, const std::string& argument) {
    const auto chosen = program.get_subcommands();
    const CLI::App& command = chosen.empty() ? program : *chosen.front();
    std::vector<std::string> names;
    const bool flag = argument.starts_with('-');
    const std::string name = argument.substr(0, argument.find('='));
    if (flag && command.get_name() == "serve")
        if (const std::string_view now = new_name_of(key_of(name)); !now.empty())
            return name + " is called " + spell_as_flag(now) + " now";
    if (flag)
        for (const CLI::Option* option : command.get_options())
            names.push_back(option->get_name());
    else if (chosen.empty())
        for (const CLI::App* sub : program.get_subcommands([](const CLI::App*) { return true; }))
            names.push_back(sub->get_name());
    const auto close = nearest(name, {names.begin(), names.end()});
    return std::string{flag ? "unknown option '" : "unexpected argument '"} + argument + "'" +
           (close ? " (did you mean " + std::string{*close} + "?)" : "");
}

/// CLI11's errors in our own words, where its are too terse.
std::string sentence_of(const CLI::App& program, const CLI::ParseError& error) {
    const std::string what = error.what();
    if (dynamic_cast<const CLI::ExtrasError*>(&error) != nullptr) {
        const std::string extras = what.substr(what.rfind(": ") + 2);
        return unknown_argument(program, extras.substr(extras.find_last_of(' ') + 1)) + see_help(program);
    }
    if (dynamic_cast<const CLI::RequiredError*>(&error) != nullptr && program.get_subcommands().empty()) {
        const std::vector<std::string> extras = program.remaining();
        if (!extras.empty()) return unknown_argument(program, extras.front()) + see_help(program);
        return "a command is missing: serve, inetd, ctl, sockets, call, compare, load or check-config; see "
               "bullpen "
               "--help";
    }
    if (dynamic_cast<const CLI::ArgumentMismatch*>(&error) != nullptr &&
        what.find("missing") != std::string::npos)
        return what.substr(0, what.find(':')) + " needs a value" + see_help(program);
    return what + see_help(program);
}

int run(int argc, char** argv) {
    CLI::App program{
        "Bullpen: a server whose workers are warm before the client comes.\n"
        "A master accepts and hands each connection to a pool of worker processes that\n"
        "grows and shrinks with the load.",
        "bullpen"};
    program.set_version_flag("--version", "bullpen " BULLPEN_VERSION);
    program.require_subcommand(1);
    program.footer(
        "Exit status: 0, 1 if something could not be done or written, 2 wrong usage or\n"
        "configuration, 3 if a stop lost connections, 130 Ctrl-C in load and compare.");
    program.get_formatter()->column_width(26);

    std::function<int()> chosen;
    ServeArguments arguments;
    CompareOptions comparison;
    HandleArguments handled;
    CheckArguments checked;
    CtlArguments control;
    SocketsArguments sockets;
    CallArguments called;
    InetdArguments superserver;
    // Executed for every client, handle must start fast: the others' many flags stay undeclared for it.
    if (argc < 2 || argv[1] != std::string_view{"handle"}) {
        declare_serve(program, arguments, chosen);
        declare_compare(program, comparison, chosen);
        declare_load(program, chosen);
        declare_models(program, chosen);
        declare_check_config(program, checked, chosen);
        declare_ctl(program, control, chosen);
        declare_sockets(program, sockets, chosen);
        declare_call(program, called, chosen);
        declare_inetd(program, superserver, chosen);
    }
    declare_handle(program, handled, chosen);
    try {
        program.parse(argc, argv);
    } catch (const CLI::Success& success) {
        return exit_status_of([&] {
            std::ostringstream answer;
            const int status = program.exit(success, answer, answer);
            print(answer.str());
            return status;
        });
    } catch (const CLI::ParseError& error) {
        complain(sentence_of(program, error));
        return exit_usage;
    }
    // Whatever the shell leaked is no worker's. Only a server may be told to keep something of it.
    const std::vector<CLI::App*> given = program.get_subcommands();
    const bool serves = std::any_of(given.begin(), given.end(), [](const CLI::App* command) {
        return command->get_name() == "serve" || command->get_name() == "inetd";
    });
    if (!serves) close_all_except({});
    return exit_status_of(chosen);
}

}  // namespace
}  // namespace bullpen

int main(int argc, char** argv) {
    bullpen::fill_standard_descriptors();
    bullpen::ignore_write_signals();
    return bullpen::run(argc, argv);
}
