# fovea_add_library(NAME SOURCES ... PUBLIC ... PRIVATE ... [TORCH])  -> target fovea_NAME, alias fovea::NAME.
# Public headers live in <folder>/include/fovea/NAME, private ones in <folder>/src. TORCH adds LibTorch and the shared PCH.
function(fovea_add_library name)
  cmake_parse_arguments(arg "TORCH" "" "SOURCES;PUBLIC;PRIVATE" ${ARGN})
  add_library(fovea_${name} STATIC ${arg_SOURCES})
  add_library(fovea::${name} ALIAS fovea_${name})
  target_include_directories(fovea_${name} PUBLIC include PRIVATE src)
  target_link_libraries(fovea_${name} PUBLIC ${arg_PUBLIC} PRIVATE ${arg_PRIVATE})
  if(arg_TORCH)
    fovea_use_torch(fovea_${name})
    # Most of such a file's time goes into LibTorch's templates, whatever it holds itself: several a unit share them.
    if(FOVEA_UNITY)
      set_target_properties(fovea_${name} PROPERTIES UNITY_BUILD ON UNITY_BUILD_BATCH_SIZE 4)
    endif()
  endif()
endfunction()

# fovea_add_test(FOLDER UNIT LINKS ... [TORCH])  -> program tests/FOLDER/UNIT_test.cpp, ctest names FOLDER/UNIT/Suite.Name.
function(fovea_add_test folder unit)
  cmake_parse_arguments(arg "TORCH" "" "LINKS;LABELS" ${ARGN})
  set(target ${folder}_${unit}_test)
  add_executable(${target} ${PROJECT_SOURCE_DIR}/tests/${folder}/${unit}_test.cpp)
  target_include_directories(${target} PRIVATE ${PROJECT_SOURCE_DIR}/tests)
  target_link_libraries(${target} PRIVATE ${arg_LINKS} GTest::gtest_main GTest::gmock)
  target_compile_definitions(${target} PRIVATE
    FOVEA_SOURCE_DIR="${PROJECT_SOURCE_DIR}" FOVEA_BINARY_DIR="${PROJECT_BINARY_DIR}")
  if(arg_TORCH)
    fovea_use_torch(${target})
    target_link_libraries(${target} PRIVATE fovea::torch_all)
  endif()
  gtest_discover_tests(${target} TEST_PREFIX ${folder}/${unit}/ DISCOVERY_TIMEOUT 60
    PROPERTIES TIMEOUT 600 LABELS "${arg_LABELS};${folder}")
endfunction()
