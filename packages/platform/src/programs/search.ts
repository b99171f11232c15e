import { accessSync, constants, realpathSync } from 'node:fs'
import { basename, join } from 'node:path'

/** A program by path, or by name through PATH; undefined if there is no executable one. */
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

/** Resolved for another user, who may be unable to follow a link; a program with several names keeps the one it was called by. */
export function directPath(program: string): string {
  const real = realpathSync(program)
  return basename(real) === basename(program) ? real : program
}
