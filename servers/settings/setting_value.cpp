#include "servers/settings/setting_value.hpp"

#include <fmt/format.h>

#include <array>
#include <optional>
#include <stdexcept>
#include <type_traits>

#include "core/account.hpp"
#include "core/parse_number.hpp"
#include "core/printable.hpp"
#include "servers/settings/nearest.hpp"
#include "servers/settings/settings.hpp"

namespace bullpen {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

template <typename T>
constexpr bool is_duration = std::is_same_v<T, milliseconds> || std::is_same_v<T, seconds>;
template <typename T>
constexpr bool reads_itself = std::is_same_v<T, http::Charset> || std::is_same_v<T, http::ContentCodings> ||
                              std::is_same_v<T, http::AddedHeader> || std::is_same_v<T, http::ErrorPage>;
template <typename T>
constexpr bool is_counted = std::is_same_v<T, int> || std::is_same_v<T, std::size_t> || is_duration<T>;

template <typename T>
struct is_vector : std::false_type {};
template <typename T>
struct is_vector<std::vector<T>> : std::true_type {};

template <typename T>
struct Word {
    std::string_view name;
    T value;
};
constexpr std::array handoff_words = {Word<HandoffWhen>{"accepted", HandoffWhen::accepted},
                                      Word<HandoffWhen>{"readable", HandoffWhen::readable}};
constexpr std::array lock_words = {Word<AcceptLockKind>{"mutex", AcceptLockKind::mutex},
                                   Word<AcceptLockKind>{"file", AcceptLockKind::file}};
constexpr std::array oob_words = {Word<OutOfBand>{"off", OutOfBand::off},
                                  Word<OutOfBand>{"inline", OutOfBand::in_line},
                                  Word<OutOfBand>{"discard", OutOfBand::discard}};
constexpr std::array scheduling_words = {Word<Scheduling>{"batch", Scheduling::batch},
                                         Word<Scheduling>{"normal", Scheduling::normal}};
constexpr std::array level_words = {
    Word<LogLevel>{"debug", LogLevel::debug}, Word<LogLevel>{"info", LogLevel::info},
    Word<LogLevel>{"warning", LogLevel::warning}, Word<LogLevel>{"error", LogLevel::error}};
constexpr std::array format_words = {Word<LogFormat>{"text", LogFormat::text},
                                     Word<LogFormat>{"json", LogFormat::json}};
constexpr std::array link_words = {Word<http::Links>{"below", http::Links::below},
                                   Word<http::Links>{"none", http::Links::none}};
constexpr const auto& words_for(HandoffWhen) noexcept {
    return handoff_words;
}
constexpr const auto& words_for(AcceptLockKind) noexcept {
    return lock_words;
}
constexpr const auto& words_for(OutOfBand) noexcept {
    return oob_words;
}
constexpr const auto& words_for(Scheduling) noexcept {
    return scheduling_words;
}
constexpr const auto& words_for(LogLevel) noexcept {
    return level_words;
}
constexpr const auto& words_for(LogFormat) noexcept {
    return format_words;
}
constexpr const auto& words_for(http::Links) noexcept {
    return link_words;
}

/// What stands before the @, and the listener behind it.
template <typename Rule, typename Read>
Rule to_rule(std::string_view text, Read read) {
    const auto at = text.find('@');
    Rule rule{read(text.substr(0, at))};
    if (at == std::string_view::npos) return rule;
    rule.listener = text.substr(at + 1);
    if (rule.listener.empty())
        throw std::invalid_argument{"there is no listener '' after the @ of " + std::string{text}};
    return rule;
}

SourcePrefixes to_prefixes(std::string_view text) {
    const auto colon = text.find(':');
    const std::string_view behind = colon == std::string_view::npos ? "" : text.substr(colon + 1);
    const int v4 = parse_number<int>(text.substr(0, colon)).value_or(0);
    const int v6 = parse_number<int>(behind).value_or(0);
    if (v4 >= 1 && v4 <= 32 && v6 >= 1 && v6 <= 128) return {.v4 = v4, .v6 = v6};
    throw std::invalid_argument{"'" + std::string{text} +
                                "' is no V4:V6; expected two prefixes, from 1 to 32 bits for IPv4 and from 1 "
                                "to 128 for IPv6, as in 32:64"};
}

mode_t to_mode(std::string_view text) {
    constexpr unsigned most = 0777;
    const auto mode = parse_number<unsigned>(text, 8);
    if (mode && *mode <= most) return *mode;
    throw std::invalid_argument{"expected permission bits from 0000 to 0777 in octal, got '" +
                                std::string{text} + "'"};
}

std::string text_of(const AdmissionRule& rule) {
    return rule.network.text() + (rule.listener.empty() ? "" : "@" + rule.listener);
}
std::string text_of(const LocalRule& rule) {
    return std::to_string(rule.id) + (rule.listener.empty() ? "" : "@" + rule.listener);
}
std::string text_of(const Network& network) {
    return network.text();
}
std::string text_of(const std::string& text) {
    return text;
}

/// The value as the user counts it.
template <typename T, typename Owner>
long double count_of(T value, const Setting<Owner>& setting) noexcept {
    if constexpr (is_duration<T>) {
        const auto ms = static_cast<long double>(milliseconds{value}.count());
        return setting.argument == "S" ? ms / 1000 : ms;
    } else {
        return static_cast<long double>(value);
    }
}

template <typename T, typename Owner>
T counted(long long count, const Setting<Owner>& setting) noexcept {
    if constexpr (is_duration<T>)
        return std::chrono::duration_cast<T>(setting.argument == "S" ? milliseconds{seconds{count}}
                                                                     : milliseconds{count});
    else
        return static_cast<T>(count);
}

template <typename Owner>
[[noreturn]] void reject_number(const Setting<Owner>& setting, const std::string& got) {
    throw std::invalid_argument{
        fmt::format("expected a number from {} to {}, got {}", setting.least, setting.most, got)};
}

template <typename T, typename Owner>
T parsed(std::string_view text, const Setting<Owner>& setting) {
    if constexpr (is_counted<T>) {
        const auto number = parse_number<long long>(text);
        if (!number) reject_number(setting, "'" + std::string{text} + "'");
        if (*number < setting.least || *number > setting.most) reject_number(setting, std::string{text});
        return counted<T>(*number, setting);
    } else if constexpr (std::is_enum_v<T>) {
        std::vector<std::string_view> names;
        for (const auto& word : words_for(T{})) {
            if (word.name == text) return word.value;
            names.push_back(word.name);
        }
        if (setting.key == "handoff_when" && text == "accept")
            throw std::invalid_argument{"'accept' is called accepted now"};
        throw std::invalid_argument{no_such(setting.key, text, names)};
    } else if constexpr (std::is_same_v<T, mode_t>) {
        return to_mode(text);
    } else if constexpr (std::is_same_v<T, EarlyDrop>) {
        return EarlyDrop::parse(text);
    } else if constexpr (std::is_same_v<T, SourcePrefixes>) {
        return to_prefixes(text);
    } else if constexpr (std::is_same_v<T, AdmissionRule>) {
        return to_rule<AdmissionRule>(text, Network::parse);
    } else if constexpr (std::is_same_v<T, LocalRule>) {
        return to_rule<LocalRule>(text, setting.key == "allow_uid" ? parse_user : parse_group);
    } else if constexpr (std::is_same_v<T, Network> || reads_itself<T>) {
        return T::parse(text);
    } else {
        // An argument of a program may be empty.
        if (text.empty() && setting.key != "program")
            throw std::invalid_argument{"expected " + std::string{setting.argument} + ", got nothing"};
        return std::string{text};
    }
}

template <typename T, typename Owner>
std::string written(const T& value, const Setting<Owner>& setting) {
    if constexpr (is_counted<T>) {
        return fmt::format("{:.15g}", static_cast<double>(count_of(value, setting)));
    } else if constexpr (std::is_enum_v<T>) {
        for (const auto& word : words_for(value))
            if (word.value == value) return std::string{word.name};
        return {};
    } else if constexpr (std::is_same_v<T, mode_t>) {
        return fmt::format("{:04o}", value);
    } else if constexpr (std::is_same_v<T, EarlyDrop>) {
        return value.begin == 0 ? "0" : fmt::format("{}:{}:{}", value.begin, value.rate, value.full);
    } else if constexpr (std::is_same_v<T, SourcePrefixes>) {
        return fmt::format("{}:{}", value.v4, value.v6);
    } else if constexpr (reads_itself<T>) {
        return value.text();
    } else {
        return text_of(value);
    }
}

}  // namespace

template <typename Owner>
void set_value(Owner& owner, const Setting<Owner>& setting, const std::vector<std::string>& texts) {
    for (const std::string& text : texts)
        if (text.find('\0') != std::string::npos)
            throw std::invalid_argument{"expected " + std::string{setting.argument} +
                                        " without a NUL byte, got '" + printable(text) + "'"};
    std::visit(
        [&](auto member) {
            auto& field = member(owner);
            using T = std::remove_reference_t<decltype(field)>;
            if constexpr (is_vector<T>::value) {
                T values;
                for (const std::string& text : texts)
                    values.push_back(parsed<typename T::value_type>(text, setting));
                field = std::move(values);
            } else {
                field = parsed<T>(texts.back(), setting);
            }
        },
        setting.field);
}

template <typename Owner>
std::string text_of(const Setting<Owner>& setting, Owner owner) {
    return std::visit(
        [&](auto member) {
            auto& field = member(owner);
            using T = std::remove_reference_t<decltype(field)>;
            if constexpr (is_vector<T>::value) {
                std::string all;
                for (const auto& one : field)
                    all += (all.empty() ? "" : " ") + written(one, setting);
                return all;
            } else {
                return written(field, setting);
            }
        },
        setting.field);
}

template <typename Owner>
void check_range(const Setting<Owner>& setting, Owner owner) {
    std::visit(
        [&](auto member) {
            auto& field = member(owner);
            using T = std::remove_reference_t<decltype(field)>;
            if constexpr (is_counted<T>) {
                const long double count = count_of(field, setting);
                const bool too_small = is_duration<T> ? count < 0 || (count == 0 && setting.least > 0)
                                                      : count < static_cast<long double>(setting.least);
                if (too_small || count > static_cast<long double>(setting.most))
                    reject_number(setting, written(field, setting));
            }
        },
        setting.field);
}

template void set_value(PoolSettings&, const Setting<PoolSettings>&, const std::vector<std::string>&);
template void set_value(MasterSettings&, const Setting<MasterSettings>&, const std::vector<std::string>&);
template std::string text_of(const Setting<PoolSettings>&, PoolSettings);
template std::string text_of(const Setting<MasterSettings>&, MasterSettings);
template void check_range(const Setting<PoolSettings>&, PoolSettings);
template void check_range(const Setting<MasterSettings>&, MasterSettings);

}  // namespace bullpen
