import { rename, writeFile } from 'node:fs/promises'
import { CliError } from './cli-error.ts'

/** Writes a value as JSON; the file appears whole or not at all. @throws CliError FileNotWritten */
export async function writeJsonFile(file: string, value: unknown): Promise<void> {
  try {
    await writeFile(`${file}.partial`, `${JSON.stringify(value, null, 2)}\n`)
    await rename(`${file}.partial`, file)
  } catch (cause) {
    throw new CliError({
      code: 'FileNotWritten',
      message: `${file} cannot be written.`,
      found: (cause as { code?: string }).code ?? 'an error',
      remedy: 'Choose a file in a folder you can write to.',
      cause,
    })
  }
}
