import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

/** A third-party package that a bundle contains parts of. */
export interface ThirdParty {
  name: string
  version: string
  /** SPDX expression from its manifest. */
  license: string
  /** Its licence's text. */
  text: string
}

/** Packages that a bundle's files came from, by name; the files are relative to the root. */
export function thirdPartyOf(root: string, inputs: readonly string[]): ThirdParty[] {
  const folder = /^(?:.*\/)?node_modules\/(?:@[^/]+\/)?[^/]+/
  const folders = new Set(inputs.map((file) => folder.exec(file)?.[0]).filter((found) => found !== undefined))
  return [...folders].toSorted().map((each) => {
    const directory = join(root, each)
    const { name, version, license } = JSON.parse(readFileSync(join(directory, 'package.json'), 'utf8')) as ThirdParty
    const file = readdirSync(directory).find((entry) => /^licen[cs]e(\.|$)/i.test(entry))
    return { name, version, license, text: file === undefined ? '' : readFileSync(join(directory, file), 'utf8') }
  })
}
