/**
 * Characters that change how the text around them is shown: control characters (C0, DEL, C1), marks that reorder text,
 * and separators that pages and editors treat as line ends.
 */
// oxlint-disable-next-line no-control-regex -- they are what is meant
const hidden = /[\u0000-\u001f\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/g

const escaped = (character: string): string => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`

/**
 * Text with such characters as escapes that show them: whoever wrote a name, a message or a file does not move the
 * cursor of who reads it, nor write over our lines.
 * @param layout characters that are our own layout at this place, such as `\n`: they stay
 */
export const visibleText = (text: string, layout: '' | '\t' | '\n' | '\n\t' = ''): string =>
  text.replace(hidden, (character) => (layout.includes(character) ? character : escaped(character)))

/** JSON of the same data: `JSON.stringify` leaves C1 and direction marks. */
export const visibleJson = (data: unknown, indent?: number): string =>
  visibleText(JSON.stringify(data ?? null, null, indent), '\n')

/** The lines of a text, whose own line ends are its layout. */
export const linesOfText = (text: string): string[] => text.replace(/\r?\n$/, '').split(/\r?\n/)
