package awsmodel

// A namedRewrite stands for one pattern that no rule can rewrite.
type namedRewrite struct {
	re2 string // not anchored yet
	// min and max, where they are not 0, are the length limits that the shape
	// itself must have for re2 to mean the same as the pattern.
	min, max int64
	why      string
}

const (
	notAllDigits   = `[0-9a-zA-Z_-]*[a-zA-Z_-][0-9a-zA-Z_-]*`
	noDotAtTheEnd  = `(?:[0-9A-Za-z._-]*[0-9A-Za-z_-])?`
	notBlank       = javaDot + `*[^\t\n\v\f\r \x{85}\x{2028}\x{2029}]` + javaDot + `*`
	isoMonth       = `(?:0[1-9]|1[0-2])`
	isoDay         = `(?:0[1-9]|[12]\d|3[01])`
	isoWeek        = `W(?:[0-4]\d|5[0-2])(?:-?[1-7])?`
	isoOrdinal     = `(?:00[1-9]|0[1-9]\d|[12]\d{2}|3(?:[0-5]\d|6[1-6]))`
	isoHour        = `(?:[01]\d|2[0-3])`
	isoFraction    = `(?:[.,]\d)?`
	isoZone        = `(?:[zZ]|-` + isoHour + `:?(?:[0-5]\d)?)?`
	isoClock       = `(?:` + isoHour + `:[0-5]\d(?:[.,]\d|:[0-5]\d` + isoFraction + `)?|` + isoHour + `[0-5]\d` + isoFraction + `(?:[0-5]\d` + isoFraction + `)?|` + isoHour + isoFraction + `|24:?00` + isoFraction + `)?` + isoZone
	isoAnyTime     = `(?:[T` + javaSpace + `]` + isoClock + `)?`
	isoDateAndTime = `-?\d{4}(?:-(?:` + isoMonth + `(?:-` + isoDay + `)?|` + isoWeek + `|` + isoOrdinal + `)` + isoAnyTime +
		`|(?:` + isoMonth + isoDay + `|` + isoWeek + `|` + isoOrdinal + `)` + isoAnyTime +
		`|` + isoMonth + `T` + isoClock + `)?`
)

// namedRewrites has every pattern of the models that needs a person to
// rewrite it. TestPatternsAgree holds each against an engine that has
// look-around and back-references.
var namedRewrites = map[string]namedRewrite{
	`((?!^\d+$)^[0-9a-zA-Z-_]+$)`: {
		re2: notAllDigits,
		why: "the look-ahead forbids digits only: one character is none",
	},
	`(?!^[0-9]+$)([a-zA-Z0-9-_]+)`: {
		re2: notAllDigits,
		why: "the look-ahead forbids digits only: one character is none",
	},
	`(^(?!(system\x2e)))(^[_a-zA-Z0-9])([^$]*)`: {
		re2: `[_a-rt-zA-Z0-9][^$]*|s(?:[^y$][^$]*)?|sy(?:[^s$][^$]*)?|sys(?:[^t$][^$]*)?|syst(?:[^e$][^$]*)?|syste(?:[^m$][^$]*)?|system(?:[^.$][^$]*)?`,
		why: `the look-ahead forbids the prefix "system.": it ends early or differs in one of its letters`,
	},
	`[0-9A-Za-z\.\-_]*(?<!\.)`: {
		re2: noDotAtTheEnd,
		why: "the look-behind forbids a dot as the last character",
	},
	`^[0-9A-Za-z\.\-_]*(?<!\.)$`: {
		re2: noDotAtTheEnd,
		why: "the look-behind forbids a dot as the last character",
	},
	`^(?!\s*$).+`: {
		re2: notBlank,
		why: "the look-ahead forbids white space only: one character is none",
	},
	`^[a-z0-9]([a-z0-9]|-(?!-)){1,61}[a-z0-9]$`: {
		re2: `[a-z0-9]+(?:-[a-z0-9]+)*`, min: 3, max: 63,
		why: "the look-ahead forbids two hyphens in a row, and the shape limits the length",
	},
	`^([\-]?\d{4}(?!\d{2}\b))((-?)((0[1-9]|1[0-2])(\3([12]\d|0[1-9]|3[01]))?|W([0-4]\d|5[0-2])(-?[1-7])?|(00[1-9]|0[1-9]\d|[12]\d{2}|3([0-5]\d|6[1-6])))([T\s]((([01]\d|2[0-3])((:?)[0-5]\d)?|24\:?00)([\.,]\d(?!:))?)?(\17[0-5]\d([\.,]\d)?)?([zZ]|([\-])([01]\d|2[0-3]):?([0-5]\d)?)?)?)?$`: {
		re2: isoDateAndTime,
		why: "the back-references make hyphens and colons stand everywhere or nowhere, and the look-ahead forbids YYYYMM: both spelled out",
	},
	`^.{1,100000}$`: {
		re2: javaDot + `+`, max: 100000,
		why: "the shape limits the length",
	},
	`[\u0009\u000A\u000D\u0020-\u007E\u0085\u00A0-\uD7FF\uE000-\uFFFD\u10000-\u10FFFF]+`: {
		re2: `[\t\n\r\x20-\x7E\x{85}\x{A0}-\x{D7FF}\x{E000}-\x{FFFD}\x{10000}-\x{10FFFF}]+`,
		why: "XML's characters; the five digits after the last two \\u say what is meant, not what Java reads",
	},
}
