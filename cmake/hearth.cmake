# What every target of ours shares: warnings as errors, sanitizers, the include path.

set(HEARTH_WARNINGS -Wall -Wextra -Werror)

if(HEARTH_SANITIZE)
  add_compile_options(-fsanitize=${HEARTH_SANITIZE} -fno-omit-frame-pointer -O1)
  add_link_options(-fsanitize=${HEARTH_SANITIZE})
  if(HEARTH_SANITIZE MATCHES undefined)
    add_compile_options(-fno-sanitize-recover=undefined)
  endif()
endif()

# The tree is kept free of warnings with GCC; clang builds it for libFuzzer only.
if(HEARTH_FUZZ)
  set(HEARTH_WARNINGS -w)
  add_compile_options(-fsanitize=fuzzer-no-link)
endif()

# Release keeps the cheap asserts: a broken invariant must stop, not spread.
string(REPLACE "-DNDEBUG" "" CMAKE_C_FLAGS_RELEASE "${CMAKE_C_FLAGS_RELEASE} -g1")
string(REPLACE "-DNDEBUG" "" CMAKE_CXX_FLAGS_RELEASE "${CMAKE_CXX_FLAGS_RELEASE} -g1")

# Boost.Interprocess still includes a header that Boost itself calls deprecated.
add_compile_definitions(BOOST_ALLOW_DEPRECATED_HEADERS)

# hearth_target(NAME): the shared settings, for a target that exists.
function(hearth_target name)
  target_compile_options(${name} PRIVATE ${HEARTH_WARNINGS})
  target_include_directories(${name} PUBLIC ${PROJECT_SOURCE_DIR}/include ${PROJECT_SOURCE_DIR})
endfunction()

# hearth_library(NAME SOURCES a.cpp ... LINK lib ...): one static library per directory.
function(hearth_library name)
  cmake_parse_arguments(ARG "" "" "SOURCES;LINK" ${ARGN})
  add_library(${name} STATIC ${ARG_SOURCES})
  hearth_target(${name})
  target_link_libraries(${name} PUBLIC ${ARG_LINK})
endfunction()

# What the ThreadSanitizer run builds: the tests labelled "threads".
add_custom_target(thread_tests)

# hearth_test(NAME SOURCES a_test.cpp ... LINK lib ... LABELS unit ...): one test program per
# directory; every TEST in it is a test of ctest.
function(hearth_test name)
  cmake_parse_arguments(ARG "" "TIMEOUT" "SOURCES;LINK;LABELS" ${ARGN})
  add_executable(${name} ${ARG_SOURCES})
  hearth_target(${name})
  set_target_properties(${name} PROPERTIES
    RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/tests)
  target_compile_definitions(${name} PRIVATE
    HEARTH_TEST_DATA="${PROJECT_SOURCE_DIR}/tests/data"
    HEARTH_MODELS_DIR="${PROJECT_SOURCE_DIR}/models"
    HEARTH_SHARED_DIR="${PROJECT_SOURCE_DIR}/../shared"
    HEARTH_SOURCE_DIR="${PROJECT_SOURCE_DIR}"
    HEARTH_PROGRAMS_DIR="${CMAKE_BINARY_DIR}")
  target_link_libraries(${name} PRIVATE ${ARG_LINK} GTest::gtest GTest::gtest_main)
  if("threads" IN_LIST ARG_LABELS)
    add_dependencies(thread_tests ${name})
  endif()
  if(NOT ARG_TIMEOUT)
    set(ARG_TIMEOUT 120)
  endif()
  include(GoogleTest)
  # One label "unit,threads": gtest_discover_tests() takes lists apart. ctest -L threads matches.
  list(JOIN ARG_LABELS "," labels)
  gtest_discover_tests(${name} DISCOVERY_TIMEOUT 60
    PROPERTIES LABELS ${labels} TIMEOUT ${ARG_TIMEOUT})
endfunction()
