import { writeFileSync } from 'node:fs'

/**
 * Keeps the memory of this process, and of all that it starts from now on (QEMU, swtpm), out of core files: they hold keys in
 * the clear. What kind of memory a core file takes is a mask that children inherit (core(5), "Controlling which mappings are
 * written"); unlike a limit on the size it also holds for files that are piped to a program.
 */
export function keepMemoryFromCoreFiles(): void {
  writeFileSync('/proc/self/coredump_filter', '0')
}
