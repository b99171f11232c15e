import { readFile } from 'node:fs/promises'
import { CliError, exitCodes } from './cli-error.ts'

/** A file named by the caller. @throws CliError InvalidArgument */
export async function contentOf(path: string): Promise<Buffer> {
  return await readFile(path).catch((cause: unknown) => {
    throw new CliError({
      code: 'InvalidArgument',
      message: `Cannot read ${path}.`,
      remedy: 'Name a file.',
      exitCode: exitCodes.usage,
      cause,
    })
  })
}
