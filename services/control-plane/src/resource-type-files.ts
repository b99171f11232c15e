import { globSync } from 'node:fs'

/** Files that describe resource types, by name: a new type needs only its own folder, and no list. */
export const resourceTypeFiles = (): string[] => globSync('**/*.type.{ts,js}', { cwd: import.meta.dirname }).toSorted()
