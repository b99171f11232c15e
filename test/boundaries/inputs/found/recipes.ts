import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

/** What builds an image, or prepares one, and does not run at a boot. */
const atBuild = /\/(customize\.sh|essential\.sh|make-initrd|packages\.txt|deprovision|clock-remedy)$/
const path =
  /(?<![\w.$}/-])\/(?:bin|dev|efi|etc|home|lib|modules|proc|root|run|sbin|sys|tmp|usr|var)(?:\/[\w.*@:-]+|\/\$\{?\w+|\/%s)+/g

/** Programs and units of the images, without their comments. */
export function recipeTexts(folder: string): string[] {
  const files = readdirSync(folder, { recursive: true, withFileTypes: true }).filter((each) => each.isFile())
  return files
    .map(({ parentPath, name }) => join(parentPath, name))
    .filter((file) => !atBuild.test(file))
    .map((file) => readFileSync(file, 'utf8').replaceAll(/^\s*#.*$/gm, ''))
}

/** Paths that they name, with `*` for what they insert. */
export const pathsIn = (texts: readonly string[]): string[] => [
  ...new Set(texts.flatMap((text) => [...text.matchAll(path)].map(([found]) => found.replaceAll(/\$\{?\w+|%s/g, '*')))),
]

/** What is taken of DHCP's answers: variables of the script, and settings of systemd-networkd. */
export function settingsIn(folder: string): string[] {
  const read = (file: string): string => readFileSync(join(folder, file), 'utf8').replaceAll(/^\s*#.*$/gm, '')
  const variables = [...read('common/address').matchAll(/\$\{?([a-z]\w*)/g)].map(([, name]) => `address ${name}`)
  const settings = ['network.conf', 'further-network.conf'].flatMap((file) =>
    [...read(`reference/${file}`).matchAll(/^\w+=\S+$/gm)].map(([setting]) => `${file} ${setting}`),
  )
  return [...new Set([...variables, ...settings])]
}
