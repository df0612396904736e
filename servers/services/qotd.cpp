/// qotd: the quote of the day (RFC 865).
#include <array>
#include <ctime>
#include <exception>
#include <filesystem>
#include <vector>

#include "core/read_file.hpp"
#include "servers/services/option_error.hpp"
#include "servers/services/short_answer.hpp"

namespace bullpen {
namespace {

constexpr std::size_t quote_most = 512;  // Bytes, by the RFC's advice; what is longer is left out.

constexpr std::array own_quotes = {"Measure before you choose, and again when you have chosen.",
                                   "A queue that nobody sees is a delay that nobody explains.",
                                   "Close what you have opened, in the order that hurts nobody.",
                                   "The second process is where the surprises begin.",
                                   "Every limit is reached once; decide beforehand what happens then."};

/// With the line ends of the network.
std::string with_crlf(std::string_view text) {
    std::string lines;
    for (const char c : text)
        lines += c == '\n' ? "\r\n" : std::string(1, c);
    return lines + "\r\n";
}

/// The quotes of a file in the form of fortune(6): lines that are "%" lie between them.
std::vector<std::string> read_quotes(const std::string& file) {
    std::string text;
    try {
        text = read_file(file) + "\n%\n";
    } catch (const std::exception& error) {
        throw OptionError{"quotes", error.what()};
    }
    std::vector<std::string> quotes;
    for (std::size_t begin = 0, end = 0; (end = text.find("\n%\n", begin)) != std::string::npos;
         begin = end + 3) {
        const std::string quote = with_crlf(std::string_view{text}.substr(begin, end - begin));
        const bool is_blank = quote.find_first_not_of("\r\n ") == std::string::npos;
        if (!is_blank && quote.size() <= quote_most) quotes.push_back(quote);
    }
    if (quotes.empty())
        throw OptionError{"quotes", "'" + file +
                                        "' has no quote of at most 512 bytes; expected quotes with lines of "
                                        "% between them, as for fortune(6)"};
    return quotes;
}

/// The same one for everybody, for a day.
ShortAnswer quote_of_the_day(const ServiceOptions& options) {
    std::vector<std::string> quotes;
    if (!options.quotes.empty())
        quotes = read_quotes(options.quotes);
    else
        for (const char* const quote : own_quotes)
            quotes.push_back(with_crlf(quote));
    return [quotes = std::move(quotes)] {
        constexpr std::time_t day = 86'400;
        return quotes[static_cast<std::size_t>(std::time(nullptr) / day) % quotes.size()];
    };
}

}  // namespace

Service qotd_service() {
    Service service = short_answer_service("qotd", "the quote of the day (RFC 865)", quote_of_the_day);
    service.make_program = [of_the_program = service.make_program](const ServiceOptions& options) {
        Program program = of_the_program(options);
        if (!options.quotes.empty())
            program.argv.insert(program.argv.end(), {"--quotes", std::filesystem::absolute(options.quotes)});
        return program;
    };
    return service;
}

}  // namespace bullpen
