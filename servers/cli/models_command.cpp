#include "servers/cli/models_command.hpp"

#include <CLI/CLI.hpp>
#include <cctype>
#include <cstddef>
#include <sstream>
#include <string_view>

#include "servers/cli/output.hpp"
#include "servers/models/models.hpp"

namespace bullpen {
namespace {

/// A sentence of `words`, indented by two and broken at 80 columns.
std::string paragraph(const std::string& words) {
    constexpr std::size_t width = 80;
    constexpr std::string_view indent = "  ";
    std::istringstream stream{words};
    std::string all;
    std::string line{indent};
    for (std::string word; stream >> word;) {
        if (line.size() > indent.size() && line.size() + 1 + word.size() > width) {
            all += line + "\n";
            line = std::string{indent} + "  ";
        }
        line += (line.find_first_not_of(' ') == std::string::npos ? "" : " ") + word;
    }
    return all + line + "\n";
}

std::string capitalised(std::string_view text) {
    std::string sentence{text};
    if (!sentence.empty()) sentence[0] = static_cast<char>(std::toupper(sentence[0]));
    return sentence;
}

const char* form_of(Form form) {
    switch (form) {
        case Form::blocking: return "";
        case Form::asynchronous: return " It runs a service's asynchronous form.";
        case Form::program: return " It runs a service's form as a program, such as exec.";
        case Form::datagram: return " It answers datagrams.";
    }
    return "";
}

std::string describe(const Model& model) {
    const std::string hidden =
        model.crash_hides.empty() ? "" : ", and uncounted " + std::string{model.crash_hides};
    return std::string{model.name} + (model.name == "prefork" ? " (the default)" : "") + "\n" +
           paragraph(capitalised(model.summary) + "." + form_of(model.form) +
                     (model.work_datagrams != nullptr ? " It serves datagrams, too." : "")) +
           paragraph("A crash takes: " + std::string{model.crash_takes} + hidden + ".") +
           paragraph("Choose it when: " + std::string{model.choose_when} + ".");
}

}  // namespace

std::string describe_models() {
    std::string all;
    for (const Model& model : models())
        all += (all.empty() ? "" : "\n") + describe(model);
    return all;
}

void declare_models(CLI::App& program, std::function<int()>& chosen) {
    CLI::App& command = *program.add_subcommand("models", "List the designs that --model and compare know");
    command.callback([&] {
        chosen = [] {
            print(describe_models());
            return 0;
        };
    });
}

}  // namespace bullpen
