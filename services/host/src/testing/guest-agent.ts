import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { recipesDirectory } from '../image/recipe.ts'

/**
 * The guest's agent on a folder instead of the guest's disk, and without a vTPM: loaded as a program, it does nothing.
 * @returns its path
 */
export async function agentInFolder(directory: string, disk: string): Promise<string> {
  const agent = await readFile(join(recipesDirectory, 'common/agent'), 'utf8')
  const path = join(directory, `${disk}.pl`)
  await writeFile(
    path,
    agent
      .replaceAll('/var/lib/strongroom', join(directory, disk))
      .replaceAll('/dev/tpmrm0', join(directory, 'no-tpm'))
      .replaceAll("'/run/strongroom'", `'${join(directory, `${disk}.run`)}'`)
      .replaceAll('/usr/local/share/ca-certificates/strongroom.crt', join(directory, `${disk}.crt`)),
  )
  return path
}
