//! A problem of the configuration on its way to the command line, which shows it as `validate` does.

use crate::config::{Fault, Origin, Problem, Severity, Span};
use crate::document::ProblemDocument;
use std::path::PathBuf;

impl From<&Problem> for ProblemDocument {
    fn from(problem: &Problem) -> Self {
        let span = problem.fault.span;
        let number = |n: usize| u64::try_from(n).unwrap_or(u64::MAX);
        Self {
            origin: problem.origin.to_string(),
            line: span.map(|span| number(span.line)),
            column: span.map(|span| number(span.column)),
            width: span.map(|span| number(span.width)),
            text: problem.line.clone(),
            severity: problem.fault.severity.to_string(),
            message: problem.fault.message.clone(),
            help: problem.fault.help.clone(),
        }
    }
}

impl From<&ProblemDocument> for Problem {
    fn from(document: &ProblemDocument) -> Self {
        let number = |n: u64| usize::try_from(n).unwrap_or(usize::MAX);
        let span = document.line.zip(document.column).map(|(line, column)| Span {
            line: number(line),
            column: number(column),
            width: number(document.width.unwrap_or(1)),
        });
        // Paths are absolute, names of variables have no slash.
        let origin = match document.origin.contains('/') {
            true => Origin::File(PathBuf::from(&document.origin)),
            false => Origin::Variable(document.origin.clone()),
        };
        let severity = if document.severity == "warning" { Severity::Warning } else { Severity::Error };
        let fault = Fault {
            severity,
            span,
            message: document.message.clone(),
            help: document.help.clone(),
            inside: None,
        };
        Self { origin, fault, line: document.text.clone() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_arrives_as_it_was() {
        let span = Span { line: 2, column: 3, width: 4 };
        let text = "a: 1\n  bad: 2\n";
        for problem in [
            Problem::new(Origin::File("/etc/n.yaml".into()), Fault::error(span, "bad", "write it so"), text),
            Problem::new(Origin::Variable("NETEVD_X_Y".into()), Fault::warning(span, "odd", ""), text),
            Problem::of_file("/etc/n.yaml".as_ref(), "no such file", "make it"),
        ] {
            let document = ProblemDocument::from(&problem);
            let json = serde_json::to_string(&document).expect("JSON");
            let arrived: ProblemDocument = serde_json::from_str(&json).expect("the same");
            assert_eq!(Problem::from(&arrived), problem);
        }
    }
}
