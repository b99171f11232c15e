import { writeFileSync } from 'node:fs'

/**
 * Excludes the memory of this process, and of everything it starts from now on (QEMU, swtpm), from core files: it
 * contains keys in clear. The kinds of memory in a core file are a mask that children inherit (core(5), "Controlling
 * which mappings are written"); unlike a size limit it also applies to core files piped to a program.
 */
export function keepMemoryFromCoreFiles(): void {
  writeFileSync('/proc/self/coredump_filter', '0')
}
