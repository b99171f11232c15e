import { accessSync, constants, realpathSync } from 'node:fs'
import { basename, join } from 'node:path'

/** A program by its path, or by its name as PATH leads to it; undefined where there is none that may be run. */
export function findProgram(command: string, path: string): string | undefined {
  const candidates = command.includes('/') ? [command] : path.split(':').map((directory) => join(directory, command))
  return candidates.find((candidate) => {
    try {
      accessSync(candidate, constants.X_OK)
      return true
    } catch {
      return false
    }
  })
}

/** As another user reaches it, which need not pass to a link; a program that goes by several names keeps the one it was called by. */
export function directPath(program: string): string {
  const real = realpathSync(program)
  return basename(real) === basename(program) ? real : program
}
