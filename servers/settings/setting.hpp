/// A setting: one row says all that is known of it.
#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "pool/pool_options.hpp"
#include "servers/services/service.hpp"

namespace bullpen {

/// For which models a setting may differ from its default.
struct Fit {
    bool (*fits)(const Model& model);
    /// What is said of the setting, spelled as the user does, under another model.
    std::string (*complaint)(const std::string& spelled, const Model& model);
};

/// A row of a table of settings. The key is that of the configuration file; the flag is --KEY with dashes.
template <typename Owner>
struct Setting {
    template <typename T>
    using Member = T& (*)(Owner&);
    /// The member's type says how its text is read and written. A duration is counted in seconds where the
    /// argument is "S", and else in milliseconds.
    using Field = std::variant<Member<int>, Member<std::size_t>, Member<std::chrono::milliseconds>,
                               Member<std::chrono::seconds>, Member<mode_t>, Member<std::string>,
                               Member<std::vector<std::string>>, Member<HandoffWhen>, Member<AcceptLockKind>,
                               Member<OutOfBand>, Member<Scheduling>, Member<LogLevel>, Member<LogFormat>,
                               Member<EarlyDrop>, Member<SourcePrefixes>, Member<std::vector<AdmissionRule>>,
                               Member<std::vector<LocalRule>>, Member<std::vector<Network>>,
                               Member<http::Links>, Member<http::Charset>, Member<http::ContentCodings>,
                               Member<std::vector<http::AddedHeader>>, Member<std::vector<http::ErrorPage>>>;

    std::string_view key;
    Field field;
    std::string_view argument;  ///< As the help shows it.
    std::string_view help;      ///< A sentence without its default.
    long long least = 0;        ///< For numbers, as the user counts.
    long long most = 0;
    std::array<const Fit*, 2> fits = {};
    std::string_view example = {};  ///< For the sample configuration file, where that leaves it unset.

    [[nodiscard]] std::string flag() const;
    [[nodiscard]] bool is_number() const noexcept;
    [[nodiscard]] bool is_list() const noexcept;
};

std::string spell_as_flag(std::string_view key);
std::string spell_as_key(std::string_view key);

}  // namespace bullpen
