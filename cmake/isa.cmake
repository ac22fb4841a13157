# Kernel templates are compiled once per ISA level; each object exports one table. A template gets IG_ISA (the level's
# name, for symbol suffixes), IG_ISA_NAME (the same as a string), IG_ISA_<LEVEL>=1 and IG_SIMD_HEADER (the room's simd_<isa>.h).

if(CMAKE_SYSTEM_PROCESSOR MATCHES "^(x86_64|AMD64|amd64)$")
    set(INGOT_ISAS scalar avx2 avx512)
elseif(CMAKE_SYSTEM_PROCESSOR MATCHES "^(aarch64|arm64)$")
    set(INGOT_ISAS scalar neon)
else()
    set(INGOT_ISAS scalar)
endif()

# Products may be fused into FMAs on every level: kernels say so here, once, instead of -ffast-math.
set(INGOT_ISA_FLAGS_scalar -O2 -fno-tree-vectorize -ffp-contract=off) # the reference level: quick to compile, not to run
set(INGOT_ISA_FLAGS_avx2 -mavx2 -mfma -mf16c -mbmi2 -ffp-contract=off)
set(INGOT_ISA_FLAGS_avx512 -mavx512f -mavx512bw -mavx512vl -mavx512dq -mavx512vnni -mavx512bf16 -mavx2 -mfma -mf16c -mbmi2
    -mprefer-vector-width=512 -ffp-contract=off)
set(INGOT_ISA_FLAGS_neon -march=armv8.2-a+dotprod+fp16 -ffp-contract=off)

# ig_isa_objects(ROOM TEMPLATES… [ISAS levels…]): the templates of src/ROOM, once per ISA level of this machine family, as part of the library.
function(ig_isa_objects room)
    cmake_parse_arguments(LEVELS "" "" "ISAS" ${ARGN})
    string(REPLACE "/" "_" prefix ${room})
    if(NOT LEVELS_ISAS)
        set(LEVELS_ISAS ${INGOT_ISAS})
    endif()
    foreach(isa ${LEVELS_ISAS})
        set(target ig_${prefix}_${isa})
        if(TARGET ${target})
            target_sources(${target} PRIVATE ${LEVELS_UNPARSED_ARGUMENTS})
            continue()
        endif()
        add_library(${target} OBJECT ${LEVELS_UNPARSED_ARGUMENTS})
        string(TOUPPER ${isa} upper)
        target_include_directories(${target} PRIVATE ${PROJECT_SOURCE_DIR}/src ${PROJECT_SOURCE_DIR}/include)
        target_compile_options(${target} PRIVATE ${INGOT_ISA_FLAGS_${isa}})
        if(INGOT_SANITIZE MATCHES "undefined")
            # The checks of every inlined verb would take minutes to compile; address and thread checks stay.
            target_compile_options(${target} PRIVATE -fno-sanitize=undefined)
        endif()
        target_compile_definitions(${target} PRIVATE IG_ISA=${isa} IG_ISA_NAME="${isa}" IG_ISA_${upper}=1
            "IG_SIMD_HEADER=\"${room}/simd_${isa}.h\"")
        set_property(GLOBAL APPEND PROPERTY INGOT_OBJECTS $<TARGET_OBJECTS:${target}>)
    endforeach()
endfunction()
