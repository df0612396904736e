# Fails when a folder includes one that it may not know about.
cmake_minimum_required(VERSION 3.25)
set(core_may_include "")
set(pool_may_include "core")
set(metrics_may_include "core;pool")
set(servers_may_include "core;pool;metrics")
# Of the pool, metrics sees the scoreboard alone.
set(metrics_sees_of_pool "pool/scoreboard.hpp;pool/snapshot.hpp;pool/histogram.hpp")

foreach(folder core pool metrics servers)
    file(GLOB_RECURSE sources ${ROOT}/${folder}/*.hpp ${ROOT}/${folder}/*.cpp)
    foreach(source IN LISTS sources)
        file(STRINGS ${source} lines REGEX "^#include \"")
        foreach(line IN LISTS lines)
            string(REGEX REPLACE "^#include \"([^\"]*)\".*" "\\1" header "${line}")
            string(REGEX REPLACE "/.*" "" target "${header}")
            if(NOT target STREQUAL folder AND NOT target IN_LIST ${folder}_may_include)
                message(SEND_ERROR "${source}: ${folder}/ may not include ${header}")
            elseif(folder STREQUAL "metrics" AND target STREQUAL "pool" AND NOT header IN_LIST metrics_sees_of_pool)
                message(SEND_ERROR "${source}: of pool/, metrics/ may include only ${metrics_sees_of_pool}")
            endif()
        endforeach()
    endforeach()
endforeach()

# The top level holds exactly this.
file(GLOB top RELATIVE ${ROOT} ${ROOT}/*)
list(REMOVE_ITEM top CMakeLists.txt README.md CHANGELOG.md LICENSE core pool servers metrics tests deploy build
    .git .gitignore .ci .clang-format)
foreach(stray IN LISTS top)
    message(SEND_ERROR "${stray} does not belong on the top level")
endforeach()
