import { globSync } from 'node:fs'

/** Files that describe resource types, by their names: a new type touches its own folder and no list. */
export const resourceTypeFiles = (): string[] => globSync('**/*.type.{ts,js}', { cwd: import.meta.dirname }).toSorted()
