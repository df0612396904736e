/// Structs that Boost.Describe knows, to JSON and back: a key for each member, named as the member is.
#pragma once

#include <boost/describe.hpp>
#include <boost/json.hpp>
#include <boost/mp11.hpp>
#include <cstddef>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <vector>

namespace bullpen {

template <typename T>
using described_members = boost::describe::describe_members<T, boost::describe::mod_public>;

template <typename T>
boost::json::value to_described(const std::vector<T>& values);

template <typename T>
boost::json::value to_described(const T& value) {
    if constexpr (boost::describe::has_describe_members<T>::value) {
        boost::json::object object;
        boost::mp11::mp_for_each<described_members<T>>(
            [&](auto member) { object[member.name] = to_described(value.*member.pointer); });
        return object;
    } else {
        return boost::json::value(value);
    }
}

template <typename T>
boost::json::value to_described(const std::vector<T>& values) {
    boost::json::array array;
    for (const T& value : values)
        array.push_back(to_described(value));
    return array;
}

/// What can't be read throws std::invalid_argument with one clause that names the place:
/// "workloads[0].name is missing", "repeat must be a whole number". Keys beyond the members are passed over.
template <typename T>
void read_described(const boost::json::value& json, T& value, const std::string& place);

template <typename T>
void read_described(const boost::json::value& json, std::vector<T>& values, const std::string& place) {
    const boost::json::array* array = json.if_array();
    if (array == nullptr) throw std::invalid_argument{place + " must be a list"};
    for (std::size_t i = 0; i < array->size(); ++i)
        read_described((*array)[i], values.emplace_back(), place + "[" + std::to_string(i) + "]");
}

template <typename T>
void read_described(const boost::json::value& json, T& value, const std::string& place) {
    if constexpr (boost::describe::has_describe_members<T>::value) {
        const boost::json::object* object = json.if_object();
        if (object == nullptr) throw std::invalid_argument{place + " must be an object"};
        boost::mp11::mp_for_each<described_members<T>>([&](auto member) {
            const std::string inner = (place.empty() ? "" : place + ".") + member.name;
            const boost::json::value* found = object->if_contains(member.name);
            if (found == nullptr) throw std::invalid_argument{inner + " is missing"};
            read_described(*found, value.*member.pointer, inner);
        });
    } else if constexpr (std::is_same_v<T, std::string>) {
        if (!json.is_string()) throw std::invalid_argument{place + " must be a string"};
        value = json.get_string();
    } else if constexpr (std::is_same_v<T, bool>) {
        if (!json.is_bool()) throw std::invalid_argument{place + " must be true or false"};
        value = json.get_bool();
    } else {
        boost::json::error_code error;
        value = json.to_number<T>(error);
        const char* kind = std::is_floating_point_v<T> ? "a number" : "a whole number";
        const bool wrong = error.failed() || (std::is_integral_v<T> && json.is_double());
        if (wrong) throw std::invalid_argument{place + " must be " + kind};
    }
}

}  // namespace bullpen
