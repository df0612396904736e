# Fails when a folder includes one that it may not know about.
cmake_minimum_required(VERSION 3.25)
set(api core/include/bullpen core/include/bullpen/detail)  # <bullpen/...>: includes nothing else of ours.
set(core core ${api})
set(http core/http ${core})
set(pool pool ${core})
set(metrics metrics pool/scoreboard.hpp pool/snapshot.hpp pool/histogram.hpp ${http})  # Of the pool the scoreboard alone.
set(models servers/models ${pool})
set(services servers/services ${http} ${pool})
set(settings servers/settings ${models} ${services})
set(inetd servers/inetd ${settings})
set(serve servers/include/bullpen ${api})
set(user servers/include/bullpen core/include/bullpen)
set(books expect.hpp)  # Not of ours.
set(library servers servers/include/bullpen metrics ${settings})
set(text servers/bench/text ${core})
set(load servers/bench/load core/http/authority.hpp ${core})  # Of HTTP a Host's grammar alone.
set(compare servers/bench/compare ${library} ${load} ${text})
set(report servers/bench/report ${text})  # Of compare, the numbers and what they mean.
foreach(numbers comparison contest design fairness ranking remarks verdict)
    list(APPEND report servers/bench/compare/${numbers}.hpp)
endforeach()
set(cli servers/cli ${inetd} ${compare} ${report})

set(rooms core/include/bullpen=api core/include/bullpen/detail=api servers/include/bullpen=serve core=core
    core/http=http pool=pool metrics=metrics servers=library servers/models=models servers/services=services
    servers/settings=settings servers/inetd=inetd servers/bench/text=text servers/bench/load=load servers/bench/compare=compare
    servers/bench/report=report servers/cli=cli servers/examples=user
    servers/examples/books=books)
foreach(room IN LISTS rooms)
    string(REGEX MATCH "^([^=]*)=(.*)$" matched ${room})
    set(folder ${CMAKE_MATCH_1})
    set(sees ${${CMAKE_MATCH_2}})
    file(GLOB sources ${ROOT}/${folder}/*.hpp ${ROOT}/${folder}/*.cpp)
    if(NOT sources)
        message(SEND_ERROR "${folder}/ holds no sources")
    endif()
    list(APPEND looked_at ${sources})
    foreach(source IN LISTS sources)
        file(STRINGS ${source} lines REGEX "^#include (\"|<bullpen/)")
        foreach(line IN LISTS lines)
            string(REGEX REPLACE "^#include [\"<]([^\">]*)[\">].*" "\\1" header "${line}")
            if(header MATCHES "^bullpen/")
                set(holder core)
                if(NOT EXISTS ${ROOT}/core/include/${header})
                    set(holder servers)
                endif()
                set(header ${holder}/include/${header})
            endif()
            string(REGEX REPLACE "/[^/]*$" "" from "${header}")
            if(NOT from IN_LIST sees AND NOT header IN_LIST sees)
                message(SEND_ERROR "${source}: ${folder}/ may not include ${header}")
            endif()
        endforeach()
    endforeach()
endforeach()

# Every source file is in a room.
file(GLOB_RECURSE all ${ROOT}/core/*.?pp ${ROOT}/pool/*.?pp ${ROOT}/metrics/*.?pp ${ROOT}/servers/*.?pp)
list(REMOVE_ITEM all ${looked_at})
foreach(stray IN LISTS all)
    message(SEND_ERROR "${stray}: tests/layering.cmake doesn't know this folder")
endforeach()

# The top level holds exactly this.
file(GLOB top RELATIVE ${ROOT} ${ROOT}/*)
list(REMOVE_ITEM top CMakeLists.txt README.md CHANGELOG.md LICENSE core pool servers metrics tests deploy build
    .git .gitignore .ci .clang-format)
foreach(stray IN LISTS top)
    message(SEND_ERROR "${stray} does not belong on the top level")
endforeach()
