/// Ranges, conditions and the dates in them.
#include <fuzzer/FuzzedDataProvider.h>

#include <ctime>
#include <string>

#include "core/http/http_date.hpp"
#include "servers/services/byte_range.hpp"
#include "servers/services/validator.hpp"
#include "tests/fuzz/property.hpp"

using namespace bullpen::http;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    FuzzedDataProvider input{data, size};
    const auto file_size = input.ConsumeIntegral<std::uint64_t>();
    const auto modified = input.ConsumeIntegralInRange<std::time_t>(0, 4'000'000'000);
    const std::string range = input.ConsumeRandomLengthString();
    const std::string if_match = input.ConsumeRandomLengthString();
    const std::string if_none_match = input.ConsumeRandomLengthString();
    const std::string if_range = input.ConsumeRandomLengthString();
    const std::string date = input.ConsumeRemainingBytesAsString();

    const ByteRange found = parse_byte_range(range, file_size);
    if (found.kind == ByteRange::Kind::part) {
        must(found.count > 0 && found.count <= file_size, "a part has bytes");
        must(found.first <= file_size - found.count, "a part lies in the file");
    }
    const Validator validator{{.tv_sec = modified, .tv_nsec = 1}, file_size, modified + 1};
    const auto judged = [&](const Conditions& conditions) { return validator.evaluate(conditions); };
    (void)judged({.if_match = if_match,
                  .if_none_match = if_none_match,
                  .if_modified_since = date,
                  .if_unmodified_since = date});
    (void)validator.allows_range({.if_range = if_range});
    must(judged({.if_match = validator.entity_tag()}) == Precondition::proceed, "a file matches its own tag");
    must(judged({.if_none_match = validator.entity_tag()}) == Precondition::not_modified,
         "a client's copy is noticed");
    if (const auto time = parse_http_date(date))
        if (*time >= 0)
            must(parse_http_date(HttpDate{*time}.text()) == time, "a date is read as it is written");
    return 0;
}
